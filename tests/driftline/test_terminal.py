"""Text from records cannot control a terminal."""

from driftline.terminal import printable


def test_control_characters_become_dots_and_all_other_text_is_kept():
    assert printable("a\x1b[2Jb\x9b\n\x7f") == "a·[2Jb···"
    assert printable("Größe 温度 ✓ ~") == "Größe 温度 ✓ ~"
