"""The limits of files and functions that ``make check`` enforces."""

from pathlib import Path

import pytest

from scripts.limits import main, problems, report

SHORT = "def short(x):\n    return x\n\n\n"


def function(lines: int, name: str = "f") -> str:
    return f"def {name}(x):\n" + "    x += 1\n" * (lines - 1)


def found(source: str) -> list[str]:
    return list(problems([(Path("a.py"), source)]))


def test_a_file_of_300_lines_is_accepted_and_one_of_301_is_not():
    assert found("x = 1\n" * 300) == []
    assert found("x = 1\n" * 301) == ["a.py: 301 lines, at most 300 are allowed"]


def test_a_function_of_40_lines_is_accepted_and_one_of_41_is_not():
    assert found(SHORT * 20 + function(40)) == []
    assert found(SHORT * 20 + function(41)) == ["a.py:81 f: 41 lines, at most 40 are allowed"]


@pytest.mark.parametrize(("short", "problem_count"), [(9, 0), (8, 1)])
def test_nine_functions_of_ten_must_have_a_body_of_at_most_12_lines(short, problem_count):
    source = SHORT * short + function(14) * (10 - short)
    assert len(found(source)) == problem_count


def test_a_docstring_is_no_part_of_the_body_but_counts_as_lines_of_the_function():
    documented = 'def f(x):\n    """One.\n' + "    More.\n" * 20 + '    """\n    return x\n'
    assert found(documented) == []
    assert "(24 lines)" in report([(Path("a.py"), documented)])


def test_the_exit_code_of_limits_tells_whether_all_are_kept(tmp_path, capsys):
    (tmp_path / "a.py").write_text(SHORT)
    assert main([str(tmp_path)]) == 0
    (tmp_path / "b.py").write_text("x = 1\n" * 301)
    assert main([str(tmp_path)]) == 1
    assert "b.py: 301 lines" in capsys.readouterr().err
