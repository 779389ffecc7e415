"""The documents, held against the code: what they show is run, parsed, decoded or looked up.

A block may be marked by a comment on the line before it::

    <!-- test: alone -->         run, without Kafka
    <!-- test: run -->           run on a real Kafka, in the order of ``WALKED`` and of the page
    <!-- test: background -->    started there, and ended after everything else
    <!-- test: once alerted -->  run there as soon as an incident was stored
    <!-- test: ask -->           the same, and the answer is compared with the block that follows
    <!-- test: first line -->    started there, and ended once it has printed a line
    <!-- test: prediction -->    JSON that has to decode as one; ``label`` likewise

Whether marked or not, every ``driftline`` command has to parse, every path of the API and every
setting has to exist, Python has to compile, and JSON, TOML and links have to be what they claim.
"""

import ast
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import numpy as np
import pandas as pd
import pytest
from confluent_kafka import Consumer, TopicPartition

from api.app import create_app
from consumers.database.database import Database
from driftline.settings import Settings, load_settings
from monitor.budget import SHARES
from producers.contract.records import decode_label, decode_prediction
from scripts import api_reference, command_reference, configuration_reference
from tests.checks import PREFIX, invocations, is_section, is_setting, is_variable, parse
from tests.integration.broker import free_port

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
FENCE = re.compile(
    r"(?:^ *<!-- test: ([^\n]*) -->\n)?^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL
)
GENERATED = [api_reference, command_reference, configuration_reference]
SECTIONS = "|".join(Settings.model_fields)
TIMEOUT_S = 180.0


@dataclass(frozen=True)
class Block:
    page: Path
    number: int
    mark: str
    language: str
    text: str

    def __str__(self):
        return f"{self.page.stem}-{self.number}-{self.language}"


def blocks_of(path):
    found = FENCE.findall(path.read_text())
    for number, (mark, indent, language, text) in enumerate(found):
        plain = "".join(line.removeprefix(indent) for line in text.splitlines(keepends=True))
        yield Block(path, number, mark, language, plain)


BLOCKS = [block for path in PAGES for block in blocks_of(path)]
WALKED = ("tour.md", "README.md", "own-model.md")  # on a real Kafka, in this order
WALK = [block for name in WALKED for block in BLOCKS if block.page.name == name]


def every(language):
    chosen = [block for block in BLOCKS if block.language == language]
    return pytest.mark.parametrize("block", chosen, ids=str)


@pytest.fixture
def nothing_set(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def paths():
    """The paths of the API, with the parameters that each takes."""
    database = Database.to_read("sqlite:///nowhere.db")
    document = create_app(database, Settings()).openapi()
    return {
        path: {parameter["name"] for parameter in operations["get"].get("parameters", [])}
        for path, operations in document["paths"].items()
    }


class TestWhatIsWrittenExists:
    def test_blocks_of_every_language_and_mark_are_found(self):
        languages = {block.language for block in BLOCKS}
        assert {"sh", "json", "python", "toml", "csv"} <= languages
        assert {"run", "background", "ask", "answer", "first line"} <= {b.mark for b in WALK}

    @every("sh")
    def test_commands_in_shell_blocks_parse(self, block):
        for words in invocations(block.text):
            if not parse(words):
                programs = (
                    "make",
                    "curl",
                    "kcat",
                    "docker",
                    "printf",
                    ".",
                    "eval",
                    "pip",
                    "kubectl",
                )
                assert words[0] in programs, words[0]

    @every("sh")
    def test_make_targets_in_docs_exist(self, block):
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        for words in invocations(block.text):
            if words[0] == "make":
                assert set(words[1:]) <= set(targets)

    @every("sh")
    def test_api_requests_in_docs_use_existing_paths_and_parameters(self, block, paths):
        for words in invocations(block.text):
            for url in (word for word in words if words[0] == "curl" and "127.0.0.1" in word):
                asked = urlsplit(f"//{url}")
                assert {name for name, _ in parse_qsl(asked.query)} <= paths[asked.path]

    def test_inline_driftline_commands_parse(self):
        text = "".join(path.read_text() for path in PAGES)
        commands = [c for c in re.findall(r"`(driftline [^`]+)`", text) if "ROLE" not in c]
        assert len(commands) > 10
        for command in commands:
            (words,) = invocations(_with_something(command))
            assert parse(words, whole=False)

    def test_api_paths_named_in_docs_exist(self, paths):
        for path in PAGES:
            for name in re.findall(r"`(/[a-z]+(?:/[a-z]+)?)`", path.read_text()):
                assert name in paths, f"{path.name}: {name}"

    def test_settings_named_in_docs_exist(self):
        pattern = rf"`((?:{SECTIONS})\.[a-z_.]+)(?: = [^`]*)?`"
        for path in PAGES:
            # The messages have a `performance.status` of their own.
            names = [] if path.name == "messages.md" else re.findall(pattern, path.read_text())
            for name in names:
                assert is_setting(name.split(".")), f"{path.name}: {name}"

    def test_configuration_sections_named_in_docs_exist(self):
        for path in PAGES:
            for section, key in re.findall(r"`\[([a-z.]+)\](?: ([a-z_]+))?`", path.read_text()):
                assert is_section([*section.split("."), *([key] if key else [])]), path.name

    def test_variables_named_in_docs_exist(self):
        for path in PAGES:
            for name in re.findall(rf"{PREFIX}[A-Z_]+(?<!_)\b", path.read_text()):
                assert is_variable(name), f"{path.name}: {name}"

    @every("toml")
    @pytest.mark.usefixtures("nothing_set")
    def test_configuration_blocks_load(self, block, tmp_path):
        (tmp_path / "secret").write_text("s3cret")
        text = re.sub(r"file:[^\"]+", f"file:{tmp_path / 'secret'}", block.text)
        assert tomllib.loads(text)
        (tmp_path / "driftline.toml").write_text(text)
        load_settings()

    @every("python")
    def test_python_blocks_compile(self, block):
        ast.parse(block.text)

    @every("json")
    def test_json_blocks_are_valid(self, block):
        json.loads(block.text)

    @every("json")
    def test_record_blocks_decode(self, block):
        value = block.text.encode()
        if "features" in json.loads(value) and "score" in json.loads(value):
            decode_prediction(value)
        elif "label" in json.loads(value):
            decode_label(value)

    def test_docs_show_a_prediction_and_a_label(self):
        assert {"prediction", "label"} <= {block.mark for block in WALK}

    @pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
    def test_links_in_docs_have_existing_targets(self, path):
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
            if re.match(r"\w+://", target):
                continue
            file, _, anchor = target.partition("#")
            leads_to = (path.parent / file).resolve() if file else path
            assert leads_to.exists(), target
            assert leads_to.is_relative_to(ROOT), target
            assert not anchor or anchor in anchors_of(leads_to), target

    def test_every_page_is_linked_from_the_readme(self):
        readme = (ROOT / "README.md").read_text()
        for path in PAGES[1:]:
            assert f"({path.relative_to(ROOT)}" in readme

    def test_files_and_names_of_the_architecture_exist(self):
        page = (ROOT / "ARCHITECTURE.md").read_text()
        named = re.findall(r"`(\w+/[\w/.]*)(?::(\w+))?`", page)
        assert len(named) > 20
        for file, name in named:
            path = ROOT / file
            assert path.exists(), file
            assert not name or re.search(
                rf"^(class|def) {name}\b", path.read_text(), re.MULTILINE
            ), f"{file} defines no {name}"

    def test_pictures_in_docs_exist(self):
        for path in PAGES:
            for picture in re.findall(r"docs/images/[\w.-]+", path.read_text()):
                assert (ROOT / picture).is_file()

    @pytest.mark.parametrize("script", GENERATED, ids=lambda script: script.__name__)
    def test_generated_page_is_up_to_date(self, script):
        assert script.PAGE.read_text() == script.page(), f"run: python {script.__file__}"

    def test_runbook_covers_every_kind_of_incident(self):
        kinds = {"concept" if family == "errors" else family for family in SHARES}
        kinds.add("driftline")  # about Driftline itself
        text = (ROOT / "docs" / "runbook.md").read_text()
        assert set(re.findall(r"^## (\w+)/", text, re.MULTILINE)) == kinds


def _with_something(command):
    """``…`` and names in capitals stand for what people fill in."""
    command = re.sub(r"\bHOST:PORT\b", "localhost:9092", command)
    return command.replace("…", "x")


def anchors_of(path):
    """As they are made of headings by those who show Markdown."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    plain = [h.replace("&lt;", "<").replace("&gt;", ">").lower() for h in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


class Place:
    """An empty directory with our programs on its path, and whatever is put in their way."""

    def __init__(self, directory, environment, substitutes):
        self.directory, self.substitutes = directory, substitutes
        self.programs = directory / "programs"
        self.programs.mkdir()
        for name, start in {"driftline": '-m driftline "$@"', "python": '"$@"'}.items():
            program = self.programs / name
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {start}\n')
            program.chmod(0o755)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
        self.environment = {
            **kept,
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            **environment,
        }
        self.background = []

    def command(self, block):
        text = block.text
        for what, instead in self.substitutes.items():
            text = text.replace(what, instead)
        if block.language == "python":
            return [sys.executable, "-c", text]
        return ["bash", "-euo", "pipefail", "-c", text]

    def run(self, block):
        done = subprocess.run(
            self.command(block),
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, f"{block}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, block, output=None):
        process = subprocess.Popen(
            self.command(block),
            cwd=self.directory,
            env=self.environment,
            stdout=output,
            text=True,
            start_new_session=True,
        )
        self.background.append(process)
        return process

    def end(self):
        for process in reversed(self.background):
            _end(process)


def _end(process):
    """With everything that it has started."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, how)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                continue
    if process.stdout:
        process.stdout.close()


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.mark == "alone"], ids=str)
def test_commands_that_need_no_kafka_run(block, tmp_path):
    assert Place(tmp_path, {}, {}).run(block)


def loans(directory):
    """The files that the README speaks of: scored rows, with the columns that it shows."""
    rng = np.random.default_rng(7)
    for name, start in {"loans.csv": "2024-01-01", "loans-june.csv": "2024-06-01"}.items():
        n = 1_500
        score = rng.random(n)
        times = pd.date_range(start, periods=n, freq="30min")
        pd.DataFrame(
            {
                "when": times.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "id": [f"loan-{number}" for number in range(n)],
                "income": rng.lognormal(10, 0.5, n).round(1),
                "branch": rng.integers(1, 6, n),
                "p": score.round(2),
                "outcome": np.where(rng.random(n) < score, "defaulted", "repaid"),
            }
        ).to_csv(directory / name, index=False)


class TestTheReadmeOnARealKafka:
    """From the first command to the last, in the order of the page, with a prefix of its own."""

    @pytest.fixture
    def place(self, kafka, prefix, tmp_path):
        port = free_port()
        environment = {
            "DRIFTLINE_KAFKA__BOOTSTRAP_SERVERS": kafka,
            "DRIFTLINE_KAFKA__PREFIX": prefix,
            "DRIFTLINE_API__PORT": str(port),
        }
        substitutes = {
            "localhost:9092": kafka,
            "127.0.0.1:8000": f"127.0.0.1:{port}",
            **{f"driftline.{topic}": f"{prefix}.{topic}" for topic in ("alerts", "{topic}")},
        }
        loans(tmp_path)
        place = Place(tmp_path, environment, substitutes)
        place.api, place.kafka, place.prefix = f"http://127.0.0.1:{port}", kafka, prefix
        yield place
        place.end()

    @pytest.mark.slow
    def test_readme_commands_run_as_described(self, place):
        for block, following in itertools.pairwise([*WALK, None]):
            self.do(place, block, following)
        assert ("loans", "1") in {
            (model["model"], model["version"])
            for model in httpx.get(f"{place.api}/models").json()["items"]
        }
        decode_prediction(newest(place, "predictions"))
        decode_label(newest(place, "labels"))

    def do(self, place, block, following):
        if block.mark in ("once alerted", "ask", "first line"):
            await_incident(place)
        match block.mark:
            case "run":
                place.run(block)
            case "background":
                place.start(block)
            case "first line":
                says_what_opened(place, block)
            case "once alerted" | "ask" if is_here(block):
                asked(place, block, following)


def says_what_opened(place, block):
    process = place.start(block, subprocess.PIPE)
    assert "driftline.incident.opened" in process.stdout.readline()
    _end(process)


def is_here(block):
    """Whether its program is; the page can be followed without kcat."""
    program = block.text.split()[0]
    return program == "driftline" or shutil.which(program) is not None


def asked(place, block, following):
    if block.mark == "once alerted":
        assert "distance" in place.run(block)
    else:
        assert following.mark == "answer"
        until_agreed(place, block, json.loads(following.text))


def await_incident(place):
    deadline_s = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline_s:
        try:
            if httpx.get(f"{place.api}/alerts?model=flight-delay").json()["items"]:
                return
        except (httpx.TransportError, KeyError):
            pass  # the API is starting, or the database is
        time.sleep(0.5)
    pytest.fail("no incident was stored")


def until_agreed(place, block, shown):
    """Windows close one after another: the answer becomes what the page shows."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while True:
        answer = json.loads(place.run(block))
        try:
            return agrees(shown, answer)
        except AssertionError:
            if time.monotonic() > deadline_s:
                raise
        time.sleep(1)


def agrees(shown, real, where="answer"):
    """Everything that is shown is there, and says the same.

    Numbers are rounded on the page, sentences are cut, and lists are shortened.
    """
    match shown:
        case dict():
            assert isinstance(real, dict), where
            assert shown.keys() <= real.keys(), where
            for key, value in shown.items():
                agrees(value, real[key], f"{where}.{key}")
        case list():
            for value in shown:
                agrees(value, _same(value, real), where)
        case float():
            assert real == pytest.approx(shown, rel=0.05, abs=0.005), where
        case _:
            assert _until_cut(shown, real) == _until_cut(shown, shown), where


def _until_cut(shown, text):
    cut = isinstance(shown, str) and isinstance(text, str) and shown.endswith("…")
    return text[: len(shown) - 1] if cut else text


def _same(shown, real):
    """The element of a list that is about the same thing."""
    for name in ("name", "condition", "subject"):
        if name in shown:
            return next((of for of in real if of[name] == shown[name]), None)
    return real[0] if real else None


def newest(place, topic):
    """The last of the records of ``loan-0`` without an offset of its own: that of the program."""
    consumer = Consumer({"bootstrap.servers": place.kafka, "group.id": f"{place.prefix}.docs"})
    name = f"{place.prefix}.{topic}"
    found = []
    for number in consumer.list_topics(name, timeout=30).topics[name].partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(name, number), timeout=30)
        consumer.assign([TopicPartition(name, number, low)])
        while low < high:
            for message in consumer.consume(1_000, timeout=1.0):
                low = message.offset() + 1
                if b'"loan-0"' in message.value():
                    found.append((message.timestamp(), message.value()))
        consumer.unassign()
    consumer.close()
    return min(found)[1]
