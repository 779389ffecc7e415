"""Hooks of MkDocs: documents outside of ``docs/`` are pages too, and links lead to where they are.

The README is the first page. A linked file that is no document is copied to ``files/``.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
# Where the pages outside of docs/ are in the site.
PAGES = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
SOURCES = {page: source for source, page in PAGES.items()}
LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
HEADING_WITH_BRACKETS = re.compile(r"^(#+ )(.*&lt;.*)$", re.MULTILINE)
OUTSIDE = re.compile(r"\w+:")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages outside of ``docs/``, and every file that a page links to."""
    for source, page in PAGES.items():
        files.append(_copy(config, source, page))
    for file in files.documentation_pages():
        for target in linked_files(_source(file.src_uri), file.content_string):
            if files.get_file_from_path(f"files/{target}") is None:
                files.append(_copy(config, target, f"files/{target}"))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """With all links and anchors as those of the site."""
    return HEADING_WITH_BRACKETS.sub(_anchored, with_site_links(markdown, page.file.src_uri))


def _anchored(heading: re.Match[str]) -> str:
    """MkDocs takes ``&lt;feature&gt;`` for a tag, and leaves it out of the anchor."""
    plain = heading[2].replace("&lt;", "").replace("&gt;", "").lower()
    slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
    return f"{heading[1]}{heading[2]} {{: #{slug} }}"


def with_site_links(markdown: str, page: str) -> str:
    """``page`` is the path in the site. A link to nowhere stays, so the build fails on it."""

    def rewritten(link: re.Match[str]) -> str:
        before, target, after = link.groups()
        found = None if OUTSIDE.match(target) else _in_site(_target(_source(page), target))
        if found is None:
            return link[0]
        return f"{before}{posixpath.relpath(found, posixpath.dirname(page) or '.')}{after}"

    return LINK.sub(rewritten, markdown)


def linked_files(source: str, markdown: str) -> list[str]:
    """The files of the repository, other than pages and those in ``docs/``, that it links to."""
    targets = [_target(source, link[2]) for link in LINK.finditer(markdown)]
    return [
        target
        for target in dict.fromkeys(targets)
        if not target.startswith(("docs/", "..")) and target not in PAGES and _is_file(target)
    ]


def _is_file(target: str) -> bool:
    return OUTSIDE.match(target) is None and (ROOT / target).is_file()


def _target(source: str, link: str) -> str:
    """The path in the repository to which a link in the document ``source`` leads."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link))


def _in_site(target: str) -> str | None:
    """The path in the site of a path in the repository; None if there is no such file."""
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    return PAGES.get(target, f"files/{target}" if _is_file(target) else None)


def _source(page: str) -> str:
    """The path in the repository of a path in the site."""
    if page.startswith("files/"):
        return page.removeprefix("files/")
    return SOURCES.get(page, f"docs/{page}")


def _copy(config: MkDocsConfig, source: str, path: str) -> File:
    return File.generated(config, path, abs_src_path=str(ROOT / source))
