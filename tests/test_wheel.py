"""The wheel: it builds, holds every file of the product, and works without the repository."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checks import PREFIX

ROOT = Path(__file__).parents[1]
WHEEL = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
PACKAGES = WHEEL["wheel"]["only-include"]
# Run as they are started; importing them does that.
PROGRAMS = ("dashboard.app", "producers.example.data.build_flights")
IMPORT_ALL = f"""
import importlib, pkgutil
for package in {PACKAGES}:
    path = importlib.import_module(package).__path__
    for found in pkgutil.walk_packages(path, package + "."):
        if not found.name.endswith("__main__") and found.name not in {PROGRAMS}:
            importlib.import_module(found.name)
print("imported from", importlib.import_module("driftline").__file__)
"""


def run(*words: object, **options: object) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    kept.pop("PYTHONPATH", None)
    done = subprocess.run(
        [*map(str, words)], capture_output=True, text=True, env=kept, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", directory, cwd=ROOT)
    (built,) = directory.glob("*.whl")
    return built


def product_files() -> Iterator[str]:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield str(path.relative_to(ROOT))


def test_the_wheel_holds_every_file_of_the_product_and_no_others(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    files = set(product_files())
    assert files <= names
    assert "producers/example/data/flights.parquet" in files
    assert "producers/example/data/cancelled.parquet" in files
    assert {name for name in names - files if ".dist-info/" not in name} == set()


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an environment with the wheel and its dependencies, without this repository."""
    environment = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    python = environment / "bin" / "python"
    install = ("install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "--python", python, *install, wheel)
    (packages,) = environment.glob("lib/python*/site-packages")
    # A path alone: the links that it holds to this repository are not followed.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment / "bin"


def test_the_example_model_is_trained_from_the_installed_wheel(programs, tmp_path):
    train = ("train", "--no-publish", "--output", "model")
    assert "saved flight-delay-1.skops" in run(programs / "driftline", *train, cwd=tmp_path)
    assert {path.suffix for path in (tmp_path / "model").iterdir()} == {".skops", ".profile"}


@pytest.mark.long
def test_every_module_is_imported_from_the_installed_wheel(programs, tmp_path):
    said = run(programs / "python", "-c", IMPORT_ALL, cwd=tmp_path)
    assert said.startswith(f"imported from {programs.parent}")
