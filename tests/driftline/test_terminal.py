"""Text from records cannot control a terminal."""

import json

from driftline.terminal import echo, echo_json, printable, printable_json, printable_lines


def test_control_characters_become_dots_and_all_other_text_is_kept():
    assert printable("a\x1b[2Jb\x9b\n\x7f") == "a·[2Jb···"
    assert printable("Größe 温度 ✓ ~") == "Größe 温度 ✓ ~"


def test_line_breaks_and_tabs_of_several_lines_are_kept():
    assert printable_lines("a\tb\r\n\x1b[31mc\x9b") == "a\tb·\n·[31mc·"


def test_output_of_commands_has_no_control_characters_of_names(capsys):
    echo("feature a\x1b[2Jb\nnext")
    assert capsys.readouterr().out == "feature a·[2Jb\nnext\n"


def test_json_keeps_its_meaning_without_control_characters():
    text = '{"a\x9b": "\x7f",\n\t"b": "\\u001b"}'
    assert printable_json(text) == '{"a\\u009b": "\\u007f",  "b": "\\u001b"}'
    assert json.loads(printable_json(text)) == json.loads(text)


def test_documents_are_printed_as_json_without_control_characters(capsys):
    document = {"name": "a\x1b\x7f\x9b\n", "rows": [1]}
    echo_json(document)
    printed = capsys.readouterr().out
    assert json.loads(printed) == document
    assert printed.replace("\n", "").isprintable()
