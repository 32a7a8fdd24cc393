"""Names, ports, paths, labels and numbers are the same wherever they occur."""

import json
import re
from pathlib import Path

import promql_parser
import pytest
from google.protobuf import text_format

from serving import server
from serving.embedded import metrics
from serving.protocol import server_files_pb2
from tests.serving.deploy.conftest import DEPLOY, flags_of, yaml_documents

CONFIG = DEPLOY / "config"
ENVIRONMENT = dict(re.findall(r"^(\w+)=(.*)$", (DEPLOY / ".env").read_text(), re.MULTILINE))
OPTIONS = server.parse(flags_of(CONFIG / "serve.sh"))
PORTS = {"grpc": OPTIONS.port, "rest": OPTIONS.rest_api_port, "https": 8443}


def one(path):
    (document,) = yaml_documents(DEPLOY / path)
    return document


COMPOSE = one("compose.yaml")
DEPLOYMENT = one("kubernetes/deployment.yaml")
POD = DEPLOYMENT["spec"]["template"]
NGINX = (CONFIG / "nginx.conf").read_text()


# --- Flags, files and ports


def test_every_flag_is_one_of_the_server():
    flags = flags_of(CONFIG / "serve.sh")
    assert len(flags) == (CONFIG / "serve.sh").read_text().count("    --")
    for flag in flags:
        assert flag[2:].partition("=")[0] in OPTIONS


def config_paths():
    texts = [file.read_text() for file in DEPLOY.rglob("*") if file.is_file()]
    return sorted({path for text in texts for path in re.findall(r"/config/([\w.-]+\.\w+)", text)})


def test_every_file_in_config_is_there_or_written_by_configure():
    (maps,) = one("config/kustomization.yaml")["configMapGenerator"]
    assert {*config_paths()} == {*maps["files"]}
    written = {"models.config"}
    assert {name for name in maps["files"] if not (CONFIG / name).is_file()} <= written


def test_compose_publishes_on_loopback_unless_asked():
    published = [port for service in COMPOSE["services"].values() for port in service["ports"]]
    addresses = {port.rpartition(":")[0].rpartition(":")[0] for port in published}
    assert addresses == {"127.0.0.1", "${PROXY_ADDRESS}"}
    assert ENVIRONMENT["PROXY_ADDRESS"] == "127.0.0.1"


def test_compose_and_kubernetes_have_the_ports_of_the_flags():
    compose = {
        int(port.rpartition(":")[2])
        for name in ("model-server", "proxy")
        for port in COMPOSE["services"][name]["ports"]
    }
    assert compose == set(PORTS.values())
    named = {
        port["name"]: port["containerPort"]
        for container in POD["spec"]["containers"]
        for port in container["ports"]
    }
    assert named == PORTS
    (service,) = one("kubernetes/service.yaml")["spec"]["ports"]
    assert named[service["targetPort"]] == service["port"]
    rules = one("kubernetes/network.yaml")["spec"]["ingress"]
    assert [port["port"] for rule in rules for port in rule["ports"]] == ["https", "rest"]


def test_nginx_listens_and_passes_on_where_the_others_are():
    assert re.findall(r"listen (\d+)", NGINX) == [str(PORTS["https"])]
    upstreams = re.findall(r"server ([\w-]+):(\d+);", NGINX)
    assert upstreams == [("model-server", str(PORTS["grpc"])), ("model-server", str(PORTS["rest"]))]
    assert "model-server" in COMPOSE["services"]
    assert {"ip": "127.0.0.1", "hostnames": ["model-server"]} in POD["spec"]["hostAliases"]


def test_nginx_lets_one_user_have_half_of_the_calls_and_waits_as_long_as_rest():
    assert re.findall(r"limit_conn users (\d+)", NGINX) == [str(OPTIONS.grpc_max_threads // 2)]
    seconds = str(OPTIONS.rest_api_timeout_in_ms // 1000)
    assert re.findall(r"_read_timeout (\d+)s", NGINX) == [seconds, seconds]


def test_volumes_are_mounted_where_the_paths_say():
    mounts = {mount.split(":")[1] for mount in COMPOSE["services"]["model-server"]["volumes"]}
    assert mounts == {"/config", "/models"}
    assert (DEPLOY / "../../saved_models").resolve().is_dir()
    assert "COPY saved_models /models\n" in (DEPLOY / "Dockerfile").read_text()
    volumes = {volume["name"] for volume in POD["spec"]["volumes"]}
    for container in POD["spec"]["containers"]:
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert set(mounts) <= volumes
        assert mounts["config"] == "/config"
    (maps,) = one("config/kustomization.yaml")["configMapGenerator"]
    assert {"name": "config", "configMap": {"name": maps["name"]}} in POD["spec"]["volumes"]


# --- Versions and numbers


def test_images_have_versions_and_the_same_ones():
    version = ENVIRONMENT["TF_SERVING_VERSION"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert f"ARG TF_SERVING_TAG={version}-gpu\n" in (DEPLOY / "Dockerfile").read_text()
    assert (
        f"TF_SERVING_TAG={version}." in (DEPLOY / "kubernetes-cpu/kustomization.yaml").read_text()
    )
    images = {name: service["image"] for name, service in COMPOSE["services"].items()}
    gpu = one("compose.gpu.yaml")["services"]["model-server"]["image"]
    assert gpu == images["model-server"] + "-gpu"
    for image in images.values():
        assert re.fullmatch(r"\S+:(v?\d+\.\d+\.\d+|\$\{TF_SERVING_VERSION\})", image)
    server_image, proxy_image = (c["image"] for c in POD["spec"]["containers"])
    assert proxy_image == images["proxy"]
    (pushed,) = one("kubernetes/kustomization.yaml")["images"]
    assert pushed["name"] == server_image


def test_a_thread_has_a_core():
    text = (CONFIG / "batching.config").read_text()
    threads = text_format.Parse(text, server_files_pb2.BatchingParameters()).num_batch_threads.value
    model_server = POD["spec"]["containers"][0]
    assert model_server["resources"]["requests"]["cpu"] == str(threads)


def test_the_pod_lives_longer_than_its_pause():
    for container in POD["spec"]["containers"]:
        _, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
        assert int(seconds) < POD["spec"]["terminationGracePeriodSeconds"]


# --- Labels of Kubernetes


def test_every_selector_finds_the_pods():
    labels = POD["metadata"]["labels"]
    selectors = [
        DEPLOYMENT["spec"]["selector"]["matchLabels"],
        one("kubernetes/service.yaml")["spec"]["selector"],
        one("kubernetes/disruption.yaml")["spec"]["selector"]["matchLabels"],
        one("kubernetes/network.yaml")["spec"]["podSelector"]["matchLabels"],
    ]
    assert all(selector.items() <= labels.items() for selector in selectors)
    target = one("kubernetes/autoscaler.yaml")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", DEPLOYMENT["metadata"]["name"])
    (job,) = one("prometheus/kubernetes.yml")["scrape_configs"]
    label, port, *_ = job["relabel_configs"]
    (name,) = labels
    assert label["source_labels"] == [
        "__meta_kubernetes_pod_label_" + re.sub(r"\W", "_", name),
    ]
    assert label["regex"] == labels[name]
    assert port["regex"] in PORTS


def test_kustomization_names_every_manifest():
    folder = DEPLOY / "kubernetes"
    resources = one("kubernetes/kustomization.yaml")["resources"]
    assert all((folder / resource).exists() for resource in resources)
    others = {"kustomization.yaml", "prometheus-adapter.yaml"}
    manifests = {file.name for file in folder.glob("*.yaml")} - others
    assert manifests == set(resources) - {"../config"}


# --- Metrics


def test_prometheus_reads_where_the_metrics_are():
    text = (CONFIG / "monitoring.config").read_text()
    config = text_format.Parse(text, server_files_pb2.MonitoringConfig()).prometheus_config
    assert config.enable
    assert config.path == metrics.PATH
    for file in ("compose", "kubernetes"):
        (job,) = one(f"prometheus/{file}.yml")["scrape_configs"]
        assert job["metrics_path"] == metrics.PATH
        assert job["job_name"] == JOB
    (job,) = one("prometheus/compose.yml")["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"model-server:{PORTS['rest']}"]}]


JOB = "tensorflow-serving"
# What Prometheus adds, by itself and by prometheus/kubernetes.yml.
TARGET_LABELS = {"job", "instance", "namespace", "pod"}


def series():
    """{name: labels} of all that the embedded server measures, under the real names."""
    known = {"up": set()}
    for metric in vars(metrics).values():
        if hasattr(metric, "_labelnames"):
            labels = set(metric._labelnames)
            if metric._type == "histogram":
                known[f"{metric._name}_bucket"] = {*labels, "le"}
                known[f"{metric._name}_sum"] = known[f"{metric._name}_count"] = labels
            else:
                known[metric._name] = labels
    return known


SERIES = series()
DASHBOARD = json.loads((DEPLOY / "grafana/dashboards/perceptual-zoo.json").read_text())
(RULE,) = one("kubernetes/prometheus-adapter.yaml")["rules"]["custom"]


def queries():
    texts = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    }
    filled = {"<<.GroupBy>>": "pod", "<<.LabelMatchers>>": 'namespace="a",pod="b"'}
    texts["autoscaler"] = RULE["metricsQuery"]
    texts["autoscaler's series"] = RULE["seriesQuery"]
    for there, here in filled.items():
        texts = {name: text.replace(there, here) for name, text in texts.items()}
    return {name: text.replace("$__rate_interval", "5m") for name, text in texts.items()}


def used(expression, found, groups):
    """Collect [(metric, labels)] and grouped labels of a parsed query."""
    if isinstance(expression, promql_parser.VectorSelector):
        matchers = {matcher.name: matcher.value for matcher in expression.matchers.matchers}
        name = expression.name or matchers.pop("__name__")
        found.append((name, matchers))
        return
    if isinstance(expression, promql_parser.AggregateExpr) and expression.modifier:
        groups.update(expression.modifier.labels)
    for child in ("expr", "lhs", "rhs", "vs", "vector_selector"):
        if (inner := getattr(expression, child, None)) is not None:
            used(inner, found, groups)
    for argument in getattr(expression, "args", None) or []:
        used(argument, found, groups)


@pytest.mark.parametrize("name", queries())
def test_every_query_asks_for_metrics_and_labels_that_exist(name):
    found, groups = [], set()
    used(promql_parser.parse(queries()[name]), found, groups)
    assert found
    for metric, matchers in found:
        assert metric in SERIES
        labels = SERIES[metric] | TARGET_LABELS
        assert set(matchers) <= labels
        assert groups <= labels
        assert matchers.get("job", JOB) == JOB


def test_legends_and_variables_name_labels_that_exist():
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                assert re.search(rf"by \([^)]*\b{label}\b", target["expr"])
    (variable,) = DASHBOARD["templating"]["list"]
    metric, label = re.fullmatch(r"label_values\((\S+), (\w+)\)", variable["query"]).groups()
    assert label in SERIES[metric]


def test_grafana_has_the_source_that_its_dashboard_asks():
    (source,) = one("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {source["uid"]}
    assert "prometheus" in COMPOSE["services"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = one("grafana/provisioning/dashboards/perceptual-zoo.yml")["providers"]
    mounted = dict(mount.split(":")[:2] for mount in COMPOSE["services"]["grafana"]["volumes"][:2])
    assert mounted["./grafana/dashboards"] == provider["options"]["path"]


def test_the_autoscaler_follows_the_metric_of_the_adapter():
    (metric,) = one("kubernetes/autoscaler.yaml")["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] == RULE["name"]["as"]
    relabelled = {
        config.get("target_label")
        for config in one("prometheus/kubernetes.yml")["scrape_configs"][0]["relabel_configs"]
    }
    assert set(RULE["resources"]["overrides"]) <= relabelled


# --- docs/deploy.md


def test_the_page_names_files_and_flags_that_exist():
    page = (Path(DEPLOY).parents[1] / "docs/deploy.md").read_text()
    for path in re.findall(r"(?<!tests/)serving/deploy/[\w./-]+\w", page):
        generated = ("models.config", "secrets")
        assert (DEPLOY.parents[1] / path).exists() or path.rpartition("/")[2].startswith(generated)
    assert ENVIRONMENT["TF_SERVING_VERSION"] in page
