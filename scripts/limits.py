"""Check the size of files and functions: python scripts/limits.py [FOLDER ...]

Limits, outside tests and benchmarks: 300 lines a file; 40 lines a function, with its signature and
docstring; a body of at most 12 lines, without the docstring, in nine functions of ten.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDERS = ("api", "client", "consumers", "dashboard", "driftline", "monitor", "producers")
MOST_FILE_LINES = 300
MOST_FUNCTION_LINES = 40
SHORT_BODY_LINES = 12
SHORT_PROPORTION = 0.9


@dataclass(frozen=True, slots=True)
class Function:
    where: str
    lines: int  # with signature and docstring
    body_lines: int  # without the docstring


def functions_of(path: Path, source: str) -> Iterator[Function]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            end = node.end_lineno or node.lineno
            body = node.body[1:] if ast.get_docstring(node) else node.body
            body_lines = end - body[0].lineno + 1 if body else 0
            yield Function(f"{path}:{node.lineno} {node.name}", end - node.lineno + 1, body_lines)


def problems(files: Sequence[tuple[Path, str]]) -> Iterator[str]:
    functions = [function for path, source in files for function in functions_of(path, source)]
    for path, source in files:
        if (lines := source.count("\n")) > MOST_FILE_LINES:
            yield f"{path}: {lines} lines, at most {MOST_FILE_LINES} are allowed"
    for function in functions:
        if function.lines > MOST_FUNCTION_LINES:
            most = MOST_FUNCTION_LINES
            yield f"{function.where}: {function.lines} lines, at most {most} are allowed"
    if (short := short_proportion(functions)) < SHORT_PROPORTION:
        yield (
            f"{short:.1%} of {len(functions)} functions have a body of at most {SHORT_BODY_LINES}"
            f" lines, {SHORT_PROPORTION:.0%} are required"
        )


def short_proportion(functions: Sequence[Function]) -> float:
    short = sum(function.body_lines <= SHORT_BODY_LINES for function in functions)
    return short / len(functions) if functions else 1.0


def report(files: Sequence[tuple[Path, str]]) -> str:
    """The longest file and function, and how many functions are short."""
    functions = [function for path, source in files for function in functions_of(path, source)]
    lines, path = max((source.count("\n"), path) for path, source in files)
    longest = max(functions, key=lambda function: function.lines)
    return (
        f"{len(files)} files, the longest {path} ({lines} lines);"
        f" {len(functions)} functions, the longest {longest.where} ({longest.lines} lines);"
        f" {short_proportion(functions):.1%} with a body of at most {SHORT_BODY_LINES} lines"
    )


def main(folders: Sequence[str]) -> int:
    paths = sorted(path for folder in folders for path in Path(folder).rglob("*.py"))
    files = [(path, path.read_text(encoding="utf-8")) for path in paths]
    print(report(files))
    found = list(problems(files))
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or FOLDERS))
