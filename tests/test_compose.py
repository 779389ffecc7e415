"""The compose file and the image: what they say exists, and what they must not say stays unsaid.

Whether the containers run is not tested here: that needs an engine. ``docker compose config`` needs
none; without it that test is skipped, and fails with ``DRIFTLINE_REQUIRE=compose``.
"""

import fnmatch
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from consumers.processes.worker import ROLES
from driftline.settings import load_settings
from tests.checks import OTHERS, PREFIX, is_variable, parse
from tests.integration.broker import VERSION

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docker-compose.yml"
SECRETS = {"API_TOKEN": "t0ken", "POSTGRES_PASSWORD": "passw0rd"}
SERVICES = yaml.safe_load(FILE.read_text())["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "driftline"}
CLIENTS = (["docker", "compose"], ["docker-compose"])
WORKER = ["python", "-m", "consumers"]

STEPS = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
COPIED = [  # from the repository, not from another stage
    source
    for step in STEPS
    if step.startswith("COPY ") and "--from" not in step
    for source in step.split()[1:-1]
]


@pytest.fixture
def compose():
    """Runs ``docker compose`` over the file, with the secrets that are given."""
    for client in CLIENTS:
        if shutil.which(client[0]) and _run([*client, "version"], {}).returncode == 0:
            return lambda *words, **secrets: _run([*client, "--file", str(FILE), *words], secrets)
    remedy = "no docker compose: install Docker's plugin, or Debian's package docker-compose"
    if "compose" in os.environ.get("DRIFTLINE_REQUIRE", "").split(","):
        pytest.fail(remedy, pytrace=False)
    pytest.skip(remedy)


def _run(command, environment):
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def environment_of(service):
    """As the container sees it: with the secrets filled in."""
    return {
        name: re.sub(r"\$\{(\w+)[^}]*\}", lambda found: SECRETS[found[1]], str(value))
        for name, value in service.get("environment", {}).items()
    }


def test_docker_compose_accepts_the_file(compose):
    done = compose("--profile", "demo", "config", "--services", **SECRETS)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == set(SERVICES)


@pytest.mark.parametrize("missing", SECRETS)
def test_compose_refuses_to_start_without_a_secret(compose, missing):
    given = {name: value for name, value in SECRETS.items() if name != missing}
    done = compose("config", **given)
    assert done.returncode != 0
    assert f"set {missing}" in done.stderr


@pytest.mark.parametrize("name", OURS)
def test_commands_in_the_compose_file_parse(name):
    assert parse(OURS[name]["command"]), f"{name} runs none of our programs"


@pytest.mark.parametrize("name", OURS)
def test_variables_in_the_compose_file_are_valid_settings(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for variable in [variable for variable in os.environ if variable.startswith(PREFIX)]:
        monkeypatch.delenv(variable)
    for variable, value in environment_of(OURS[name]).items():
        if variable.startswith(PREFIX):
            assert is_variable(variable)
            if variable not in OTHERS:
                monkeypatch.setenv(variable, value)
    load_settings()


def test_compose_has_a_service_for_every_role():
    commands = [service["command"] for service in OURS.values()]
    started = [command[3] for command in commands if command[:3] == WORKER]
    assert sorted(started) == sorted(ROLES)


def test_services_that_read_kafka_wait_for_the_topics():
    for name in (*ROLES, "train"):
        assert OURS[name]["depends_on"]["topics"]["condition"] == "service_completed_successfully"


def test_compose_publishes_ports_on_loopback_only():
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_compose_file_contains_no_secret():
    variables = [pair for s in SERVICES.values() for pair in s.get("environment", {}).items()]
    secret = [(name, value) for name, value in variables if re.search("PASSWORD|TOKEN", name)]
    assert len(secret) >= 5
    for name, value in secret:
        left = re.sub(r"\$\{\w+:\?[^}]*\}", "", str(value))
        assert left in ("", '[""]'), name
        assert left != str(value), name


def test_kafka_in_compose_has_the_tested_version():
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{VERSION}"


def test_compose_keeps_data_in_named_volumes():
    volumes = yaml.safe_load(FILE.read_text())["volumes"]
    mounted = [mount.split(":")[0] for s in SERVICES.values() for mount in s.get("volumes", [])]
    assert sorted(mounted) == sorted(volumes)


def test_python_health_checks_of_compose_compile():
    checks = [s["healthcheck"]["test"] for s in OURS.values() if "healthcheck" in s]
    assert len(checks) == 2
    for check in checks:
        assert check[:3] == ["CMD", "python", "-c"]
        compile(check[3], "healthcheck", "exec")


class TestImage:
    def test_copied_files_exist_and_are_not_ignored(self):
        patterns = (ROOT / ".dockerignore").read_text().splitlines()
        for source in COPIED:
            assert (ROOT / source).exists(), source
            verdicts = [p[0] != "!" for p in patterns if fnmatch.fnmatch(source, p.lstrip("!"))]
            assert verdicts[-1] is False, f"{source} is ignored"

    def test_all_packages_of_the_wheel_are_copied(self):
        wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())
        held = wheel["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
        assert set(held) <= set(COPIED)

    def test_dependencies_are_installed_from_the_lock_with_hashes(self):
        installs = [line for line in STEPS if "pip install" in line]
        assert "--require-hashes" in installs[0]
        assert "requirements.lock" in installs[0]
        assert all("--require-hashes" in line or "--no-deps" in line for line in installs)

    def test_image_does_not_run_as_root(self):
        users = [line.split()[1] for line in STEPS if line.startswith("USER ")]
        assert users
        assert users[-1] not in ("root", "0")
