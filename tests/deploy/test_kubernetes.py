"""The manifests of ``deploy/kubernetes``: valid by the schemas of Kubernetes, and consistent.

They are read as files: whether a cluster runs them is not tested here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from consumers.processes.worker import ALL_ROLES
from driftline.settings import load_settings
from tests.checks import PREFIX, is_variable, parse

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
MANIFESTS = [
    manifest
    for file in KUSTOMIZATION["resources"]
    for manifest in yaml.safe_load_all((FOLDER / file).read_text())
]
OLDEST = "1.28"  # with the ordinal as a label


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    return [manifest for manifest in MANIFESTS if manifest["kind"] in kinds]


SETS, JOBS = of_kind("StatefulSet"), of_kind("Job")
WORKLOADS = [*SETS, *JOBS, *of_kind("Deployment")]
every_workload = pytest.mark.parametrize(
    "workload", WORKLOADS, ids=lambda one: one["metadata"]["name"]
)


def pod(workload: dict[str, Any]) -> dict[str, Any]:
    return workload["spec"]["template"]["spec"]


def container(workload: dict[str, Any]) -> dict[str, Any]:
    (only,) = pod(workload)["containers"]
    return only


def labels(workload: dict[str, Any]) -> dict[str, str]:
    return workload["spec"]["template"]["metadata"]["labels"]


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
def test_manifests_are_valid_by_the_schemas_of_kubernetes(version):
    for manifest in MANIFESTS:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_kustomization_names_every_file():
    files = {path.name for path in FOLDER.iterdir()} - {"kustomization.yaml"}
    generated = [file for one in KUSTOMIZATION["configMapGenerator"] for file in one["files"]]
    assert files == {*KUSTOMIZATION["resources"], *generated}


def test_there_is_a_stateful_set_for_every_role():
    roles = {labels(one)["role"]: one["spec"]["replicas"] for one in SETS}
    assert set(roles) == set(ALL_ROLES)
    assert roles["ingest"] == roles["pair"] == 0  # only with [[sources]]
    assert roles["retrain"] == 1


@every_workload
def test_command_is_one_of_ours(workload):
    started = container(workload)
    words = [*started["command"], *started.get("args", [])]
    assert parse([word.replace("$(SLOT)", "0") for word in words])
    mounted = {mount["mountPath"] for mount in started["volumeMounts"]}
    assert str(Path(words[words.index("--config") + 1]).parent) in mounted


@pytest.mark.parametrize("workload", SETS, ids=lambda one: one["metadata"]["name"])
def test_slot_of_a_worker_is_the_ordinal_of_its_pod(workload):
    (slot,) = [one for one in container(workload)["env"] if one["name"] == "SLOT"]
    field = slot["valueFrom"]["fieldRef"]["fieldPath"]
    assert field == "metadata.labels['apps.kubernetes.io/pod-index']"
    assert container(workload)["args"][1:3] == ["--slot", "$(SLOT)"]
    assert container(workload)["args"][0] == labels(workload)["role"]


@pytest.mark.parametrize("workload", SETS, ids=lambda one: one["metadata"]["name"])
def test_state_is_kept_where_a_restart_needs_it(workload):
    mounts = {one["mountPath"]: one["name"] for one in container(workload)["volumeMounts"]}
    claims = {one["metadata"]["name"] for one in workload["spec"].get("volumeClaimTemplates", [])}
    empty = {one["name"] for one in pod(workload)["volumes"] if "emptyDir" in one}
    assert mounts["/var/lib/driftline"] in claims | empty
    assert bool(claims) == (labels(workload)["role"] in ("join", "detect", "pair"))


@every_workload
def test_volumes_that_are_mounted_exist(workload):
    claims = workload["spec"].get("volumeClaimTemplates", [])
    volumes = [one["name"] for one in pod(workload)["volumes"]]
    volumes += [one["metadata"]["name"] for one in claims]
    assert sorted(one["name"] for one in container(workload)["volumeMounts"]) == sorted(volumes)
    maps = {one["configMap"]["name"] for one in pod(workload)["volumes"] if "configMap" in one}
    assert maps == {one["name"] for one in KUSTOMIZATION["configMapGenerator"]}


@every_workload
def test_variables_are_settings_and_secrets_come_from_the_secret(workload):
    for one in container(workload).get("env", []):
        assert not one["name"].startswith(PREFIX) or is_variable(one["name"])
        if re.search("TOKEN|PASSWORD", one["name"]):
            given = one["valueFrom"]["secretKeyRef"] if "valueFrom" in one else one["value"]
            assert given in (
                {"name": "driftline", "key": "api-token"},
                {"name": "driftline", "key": "postgres-password"},
                '["$(API_TOKEN)"]',
            )


@every_workload
def test_pod_has_no_variables_of_services_among_those_of_settings(workload):
    assert pod(workload)["enableServiceLinks"] is False


@every_workload
def test_pod_has_no_rights_and_the_image_of_the_kustomization(workload):
    assert pod(workload)["securityContext"]["runAsNonRoot"] is True
    rights = container(workload)["securityContext"]
    assert rights == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert [one["name"] for one in KUSTOMIZATION["images"]] == [container(workload)["image"]]


def test_what_answers_over_http_is_probed():
    for workload in of_kind("Deployment"):
        assert {"readinessProbe", "livenessProbe"} <= set(container(workload))
        ready = container(workload)["readinessProbe"]
        if "exec" in ready:
            compile(ready["exec"]["command"][2], "probe", "exec")


def test_every_disruption_budget_and_service_selects_what_is_there():
    everything = [labels(workload) for workload in WORKLOADS]
    budgets = [one["spec"]["selector"]["matchLabels"] for one in of_kind("PodDisruptionBudget")]
    several = [labels(one) for one in WORKLOADS if one["spec"].get("replicas", 0) > 1]
    assert sorted(one["role"] for one in budgets) == sorted(one["role"] for one in several)
    assert all(budget in everything for budget in budgets)
    for service in of_kind("Service"):
        selector = service["spec"]["selector"].items()
        assert [one for one in everything if selector <= one.items()]
    named = {one["metadata"]["name"] for one in of_kind("Service")}
    assert {one["spec"]["serviceName"] for one in SETS} <= named


def test_configuration_loads(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings = load_settings(FOLDER / "driftline.toml")
    assert settings.topics.replication == 3
    workers = [one["spec"]["replicas"] for one in SETS]
    assert max(workers) <= settings.topics.partitions
