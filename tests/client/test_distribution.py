"""The distribution of the client: complete, without the product, and of few dependencies."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from functools import partial
from pathlib import Path

import driftline_client
import pytest
from driftline_client import Driftline
from driftline_client.kafka import Sender

from consumers.kafka.embedded import EmbeddedBroker
from tests.test_docs import blocks_of

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "client"
LIBRARIES = Path(sysconfig.get_path("purelib"))
OF_HTTPX = {"anyio", "certifi", "h11", "httpcore", "httpx", "idna", "sniffio", "typing_extensions"}
OF_ITS_COMMAND = {"click", "markdown_it", "mdurl", "pygments", "rich"}  # loaded if they are there
IMPORT = """
import sys
sys.path += sys.argv[1:]
import driftline_client
driftline_client.Driftline("http://127.0.0.1:8000")
files = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}
print(*{name.partition(".")[0] for name, file in files.items() if file.startswith(sys.path[-1])})
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", directory]
    subprocess.run(command, cwd=CLIENT, check=True, capture_output=True)
    (built,) = directory.glob("driftline_client-*.whl")
    return built


def test_the_wheel_holds_the_package_its_types_and_the_licence(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    files = {str(path.relative_to(CLIENT)) for path in CLIENT.glob("driftline_client/*.py")}
    others = {name for name in names - files if ".dist-info/" not in name}
    assert files <= names
    assert others == {"driftline_client/py.typed"}
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_installed_it_loads_httpx_and_nothing_of_the_product(wheel):
    command = [sys.executable, "-I", "-S", "-c", IMPORT, wheel, LIBRARIES]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "httpx" in found.stdout.split()
    assert set(found.stdout.split()) <= OF_HTTPX | OF_ITS_COMMAND


def test_only_httpx_is_required():
    project = tomllib.loads((CLIENT / "pyproject.toml").read_text())["project"]
    assert [re.match(r"\w+", one)[0] for one in project["dependencies"]] == ["httpx"]
    assert set(project["optional-dependencies"]) == {"pandas", "kafka"}


@pytest.mark.usefixtures("three_days")
@pytest.mark.filterwarnings("ignore")  # the first block leaves its connection to the process
def test_everything_that_its_page_shows_runs(transport, monkeypatch):
    monkeypatch.setattr(driftline_client, "Driftline", partial(Driftline, transport=transport))
    broker = EmbeddedBroker()
    for block in blocks_of(ROOT / "docs" / "client.md"):
        if block.language == "python":
            text = block.text.replace("127.0.0.1:8000", "localhost").replace("distance", "temp")
            exec(text.replace("localhost:9092", broker.bootstrap_servers), {})


def test_every_method_is_on_its_page():
    page = (ROOT / "docs" / "client.md").read_text()
    for name in (name for name in vars(Driftline) if not name.startswith("_")):
        assert f"`{name}(" in page or name == "close", name
    assert Sender.__name__ in page
