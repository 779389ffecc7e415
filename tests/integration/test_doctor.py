"""``driftline doctor``, and roles that refuse topics with which results would be wrong."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
)

import driftline.__main__
from consumers.database.database import Database
from tests.integration.deployment import Deployment

pytestmark = pytest.mark.kafka


def altered(deployment: Deployment, topic: str, config: Mapping[str, str]) -> None:
    entries = [
        ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
        for key, value in config.items()
    ]
    name = f"{deployment.prefix}.{topic}"
    resource = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=entries)
    admin = AdminClient({"bootstrap.servers": deployment.servers})
    for done in admin.incremental_alter_configs([resource]).values():
        done.result(30)


def doctor(deployment: Deployment, until: str = "") -> Result:
    """The result when it contains a text: a broker learns of changes a moment later."""
    deadline_s = time.monotonic() + 30
    while True:
        main = driftline.__main__.main
        found = CliRunner().invoke(main, ["doctor"], env=deployment.environment)
        if until in found.stdout or time.monotonic() > deadline_s:
            return found
        time.sleep(0.2)


def test_doctor_finds_nothing_wrong_with_what_topics_create_and_store_have_made(
    kafka, prefix, tmp_path: Path
):
    with Deployment(kafka, prefix, tmp_path) as deployment:
        missing = doctor(deployment)
        assert missing.exit_code == 1
        assert "wrong  database: " in missing.stdout
        Database.to_write(deployment.database).close()
        found = doctor(deployment)
        assert (found.exit_code, "wrong" in found.stdout.replace("nothing is wrong", "")) == (
            0,
            False,
        ), found.stdout
        assert f"ok     {prefix}.joins\n" in found.stdout


def test_doctor_names_each_topic_that_is_wrong_and_what_mends_it_and_roles_refuse_it(
    kafka, prefix, tmp_path: Path
):
    with Deployment(kafka, prefix, tmp_path) as deployment:
        Database.to_write(deployment.database).close()
        altered(deployment, "joins", {"cleanup.policy": "compact"})
        altered(deployment, "predictions", {"message.timestamp.type": "CreateTime"})
        altered(deployment, "summaries", {"retention.ms": "60000"})
        admin = AdminClient({"bootstrap.servers": kafka})
        for grown in admin.create_partitions([NewPartitions(f"{prefix}.alerts", 2)]).values():
            grown.result(30)
        found = doctor(deployment, until="4 checks found something wrong")
        assert found.exit_code == 1, found.stdout
        wrong = [line for line in found.stdout.splitlines() if line.startswith("wrong")]
        for topic, change in {
            "joins": "--add-config cleanup.policy=delete",
            "predictions": "--add-config message.timestamp.type=LogAppendTime",
            "summaries": "--add-config retention.ms=",
            "alerts": "it has 2 partitions, and needs one",
        }.items():
            assert any(topic in line and change in line for line in wrong), found.stdout
        assert len(wrong) == 4

        refused = subprocess.run(
            [sys.executable, "-m", "consumers", "join"],
            env=deployment.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert refused.returncode == 1
        assert "joins: cleanup.policy is compact, needed delete" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_doctor_tells_that_the_partitions_of_state_have_changed(kafka, prefix, tmp_path: Path):
    with Deployment(kafka, prefix, tmp_path) as deployment:
        admin = AdminClient({"bootstrap.servers": kafka})
        for grown in admin.create_partitions([NewPartitions(f"{prefix}.summaries", 9)]).values():
            grown.result(30)
        found = doctor(deployment, until=f"{prefix}.summaries has 9")
        assert found.exit_code == 1
        assert f"{prefix}.summaries has 9" in found.stdout
        assert "state does not move between partitions" in found.stdout
