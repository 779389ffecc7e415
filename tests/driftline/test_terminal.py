"""Text from records cannot control a terminal."""

from driftline.terminal import echo, printable, printable_lines


def test_control_characters_become_dots_and_all_other_text_is_kept():
    assert printable("a\x1b[2Jb\x9b\n\x7f") == "a·[2Jb···"
    assert printable("Größe 温度 ✓ ~") == "Größe 温度 ✓ ~"


def test_line_breaks_and_tabs_of_several_lines_are_kept():
    assert printable_lines("a\tb\r\n\x1b[31mc\x9b") == "a\tb·\n·[31mc·"


def test_output_of_commands_has_no_control_characters_of_names(capsys):
    echo("feature a\x1b[2Jb\nnext")
    assert capsys.readouterr().out == "feature a·[2Jb\nnext\n"
