"""What deploy/ says is what containers understand."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from worker_container.server import Handler
from worker_container.settings import NAMES, PREFIX, ContainerSettings

ROOT = Path(__file__).parents[1]
SHELL = re.compile(r"```bash\n(.*?)```", re.DOTALL)
VARIABLE = re.compile(rf"\b{PREFIX}([A-Z_]+)")


@pytest.mark.parametrize("name", ["deploy/knative.yaml", "deploy/cloudrun.md", "docs/http.md"])
def test_every_variable_is_a_setting_of_containers(name):
    variables = set(VARIABLE.findall((ROOT / name).read_text()))
    assert {"TOKEN", "INVITE_URL", "STORE", "REQUEST_SECONDS"} <= variables
    assert {each.lower() for each in variables} <= set(NAMES)


def test_the_service_of_knative_is_whole():
    secret, service = yaml.safe_load_all((ROOT / "deploy/knative.yaml").read_text())
    spec = service["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert spec["containerConcurrency"] == 1
    values = {each["name"]: each for each in container["env"]}
    assert values["WORKER_REQUEST_SECONDS"]["value"] == str(spec["timeoutSeconds"])
    asked = [each["valueFrom"]["secretKeyRef"] for each in values.values() if "valueFrom" in each]
    assert {each["name"] for each in asked} == {secret["metadata"]["name"]}
    assert {each["key"] for each in asked} == set(secret["stringData"])
    assert {each["name"] for each in container["volumeMounts"]} == {
        each["name"] for each in spec["volumes"]
    }


# What Knative Serving v1 knows of what stands there; a word beside these it refuses, or ignores.
TEXT, NUMBER, FLAG, QUANTITY = str, int, bool, re.compile(r"[0-9]+(Ki|Mi|Gi|m)?")
NAMED = {"name": TEXT, "key": TEXT}
ENV = {"name": TEXT, "value": TEXT, "valueFrom": {"secretKeyRef": NAMED}}
RESOURCES = {"cpu": QUANTITY, "memory": QUANTITY}
CONTAINER = {
    "image": TEXT, "ports": [{"containerPort": NUMBER}], "env": [ENV],
    "readinessProbe": {"httpGet": {"path": TEXT}},
    "resources": {"requests": RESOURCES, "limits": RESOURCES},
    "securityContext": {
        "runAsNonRoot": FLAG, "runAsUser": NUMBER, "allowPrivilegeEscalation": FLAG,
        "readOnlyRootFilesystem": FLAG, "capabilities": {"drop": [TEXT]},
        "seccompProfile": {"type": TEXT},
    },
    "volumeMounts": [{"name": TEXT, "mountPath": TEXT}],
}  # fmt: skip
REVISION = {
    "containerConcurrency": NUMBER, "timeoutSeconds": NUMBER, "enableServiceLinks": FLAG,
    "automountServiceAccountToken": FLAG, "containers": [CONTAINER],
    "volumes": [{"name": TEXT, "emptyDir": {"medium": TEXT, "sizeLimit": QUANTITY}}],
}  # fmt: skip
SCALES = {
    f"autoscaling.knative.dev/{name}": re.compile(r"[0-9]+")
    for name in ("min-scale", "max-scale", "target-utilization-percentage")
}
KINDS = {
    "v1": {
        "apiVersion": TEXT, "kind": TEXT, "metadata": {"name": TEXT}, "type": TEXT,
        "stringData": {"token": TEXT, "store": TEXT},
    },
    "serving.knative.dev/v1": {
        "apiVersion": TEXT, "kind": TEXT, "metadata": {"name": TEXT},
        "spec": {"template": {"metadata": {"annotations": SCALES}, "spec": REVISION}},
    },
}  # fmt: skip


def wrong(value, known, where):
    """Where something stands that is not known there, or is of another type."""
    match known:
        case dict():
            if not isinstance(value, dict):
                return [where]
            unknown = [f"{where}.{name}" for name in value if name not in known]
            inside = [(value[n], known[n], f"{where}.{n}") for n in value if n in known]
        case [each]:
            if not isinstance(value, list):
                return [where]
            unknown, inside = [], [(v, each, f"{where}[{n}]") for n, v in enumerate(value)]
        case re.Pattern():
            return [] if isinstance(value, str) and known.fullmatch(value) else [where]
        case _:
            return [] if type(value) is known else [where]
    return unknown + [found for one in inside for found in wrong(*one)]


def test_the_service_of_knative_has_nothing_that_knative_does_not_know():
    documents = list(yaml.safe_load_all((ROOT / "deploy/knative.yaml").read_text()))
    assert [each["apiVersion"] for each in documents] == list(KINDS)
    for each in documents:
        assert wrong(each, KINDS[each["apiVersion"]], each["kind"]) == []


def test_what_knative_would_not_know_is_found():
    known = KINDS["serving.knative.dev/v1"]
    spec = {"containerConcurrency": "1", "containers": [{"image": "i", "readinesProbe": {}}]}
    service = {"apiVersion": "a", "spec": {"template": {"spec": spec}}}
    assert wrong(service, known, "s") == [
        "s.spec.template.spec.containerConcurrency",
        "s.spec.template.spec.containers[0].readinesProbe",
    ]


def test_knative_asks_a_container_where_it_answers():
    _, service = yaml.safe_load_all((ROOT / "deploy/knative.yaml").read_text())
    (container,) = service["spec"]["template"]["spec"]["containers"]
    assert ("GET", container["readinessProbe"]["httpGet"]["path"]) in Handler.routes
    settings = ContainerSettings(token="t" * 16)
    assert container["ports"] == [{"containerPort": settings.port}]


def test_containers_listen_to_others_only_where_they_have_a_network_of_their_own():
    """A process of a machine that many share does not."""
    assert ContainerSettings.from_environment({"WORKER_TOKEN": "t" * 16}).host == "127.0.0.1"
    everywhere = {"knative.yaml": '"0.0.0.0"', "cloudrun.md": "WORKER_HOST=0.0.0.0"}
    for name, told in everywhere.items():
        assert told in (ROOT / "deploy" / name).read_text()
    assert "WORKER_HOST=0.0.0.0" in (ROOT / "worker_container/Dockerfile").read_text()


@pytest.mark.parametrize("name", ["deploy/cloudrun.md", "docs/http.md"])
def test_every_command_is_one_for_a_shell(name):
    snippets = SHELL.findall((ROOT / name).read_text())
    assert snippets
    done = subprocess.run(
        ["bash", "-n"], input="\n".join(snippets), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_made_on_cloud_run_is_removed_again():
    """Secrets, account and repository too: a service that is gone leaves them."""
    text = (ROOT / "deploy/cloudrun.md").read_text()
    for made in re.findall(r"gcloud ([a-z -]+?) create", text):
        assert f"gcloud {made} delete" in text, made
