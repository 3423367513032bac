"""What deploy/ says is what containers understand."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from worker_container.settings import NAMES, PREFIX

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
