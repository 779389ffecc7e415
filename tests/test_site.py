"""The documents as a site: built strictly, complete, and without anything from other hosts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

from scripts.site_hooks import PAGES, ROOT, linked_files, with_site_links

pytestmark = pytest.mark.filterwarnings("default")  # of MkDocs and of its theme, about each other
LOADED = re.compile(
    r"<(?:script|img|iframe|source)[^>]*\ssrc=[\"']?([^\"'\s>]+)"
    r"|<link[^>]*\srel=[\"']?(?:stylesheet|preconnect|preload|icon)[^>]*\shref=[\"']?([^\"'\s>]+)"
    r"|<link[^>]*\shref=[\"']?([^\"'\s>]+)[^>]*\srel=[\"']?(?:stylesheet|preconnect|preload|icon)"
)
LOADED_BY_STYLES = re.compile(r"(?:url\(|@import\s+)[\"']?([^\"')]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site")
    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(directory), strict=True))
    return directory


def test_every_document_is_a_page_and_in_the_navigation(site):
    first = (site / "index.html").read_text()
    documents = [path.name for path in (ROOT / "docs").glob("*.md")]
    for name in [*documents, *PAGES.values()]:
        page = f"{Path(name).stem}.html"
        assert (site / page).is_file()
        assert f'href="{page}' in first or page == "index.html", page


def test_pages_outside_of_docs_are_those_of_the_repository(site):
    assert "What it promises" in (site / "index.html").read_text()
    assert 'src="images/overview.png"' in (site / "index.html").read_text()
    assert (site / "files/examples/own_service.py").read_text().startswith('"""')


def test_anchor_is_that_of_the_repository_also_with_angle_brackets(site):
    page = (site / "runbook.html").read_text()
    assert 'id="datafeature"' in page
    assert 'href="runbook.html#datafeature"' in (site / "tour.html").read_text()


def test_block_in_a_list_is_a_block(site):
    for page in site.glob("*.html"):
        assert "```" not in re.sub(r"<pre.*?</pre>", "", page.read_text(), flags=re.DOTALL), page


def test_nothing_is_loaded_from_other_hosts(site):
    pages, styles = list(site.rglob("*.html")), list(site.rglob("*.css"))
    loaded = ["".join(found) for page in pages for found in LOADED.findall(page.read_text())]
    loaded += [one for path in styles for one in LOADED_BY_STYLES.findall(path.read_text())]
    assert len(loaded) > len(pages)
    assert [one for one in loaded if re.match(r"(\w+:)?//", one)] == []


def test_dead_links_are_warnings_which_a_strict_build_does_not_pass(tmp_path, caplog):
    dead = ["gone.md", "../gone.py", "page.md#gone", "../README.md#gone"]
    (tmp_path / "docs").mkdir()
    text = "\n".join(f"[x]({link})" for link in dead)
    (tmp_path / "docs" / "page.md").write_text(f"# Page\n\n{text}\n")
    folders = {"docs_dir": str(tmp_path / "docs"), "site_dir": str(tmp_path / "site")}
    with caplog.at_level("INFO", "mkdocs"), pytest.raises(Abort):
        build(load_config(str(ROOT / "mkdocs.yml"), **folders, plugins=[], nav=None, strict=True))
    told = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    for link in ("'gone.md'", "'../gone.py'", "'page.md#gone'", "'index.md#gone'"):
        assert any("'page.md' contains a link" in one and link in one for one in told), link


def test_links_become_those_of_the_site():
    assert with_site_links("[x](docs/tour.md#alerts)", "index.md") == "[x](tour.md#alerts)"
    assert with_site_links("[x](../README.md)", "tour.md") == "[x](index.md)"
    assert with_site_links("[x](../gone.py)", "tour.md") == "[x](../gone.py)"
    assert with_site_links("[x](https://e.org/a.md)", "tour.md") == "[x](https://e.org/a.md)"
    assert with_site_links("![x](docs/images/drift.png)", "index.md") == "![x](images/drift.png)"


def test_files_that_are_no_pages_are_copied():
    page = "[a](../examples/own_service.py) [b](tour.md) [c](../README.md) [d](../gone.py)"
    assert linked_files("docs/tour.md", page) == ["examples/own_service.py"]
