"""What values do, and what they cannot say."""

from __future__ import annotations

import tomllib

import pytest
import yaml

from chart.rendering import CHART, RenderingFailed, render
from chart.workloads import workloads
from prepare.steps import ROOT
from support.charts import environment, find, kinds, rendered


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("gatewy.replicas=3", "gatewy"),
        ("gateway.replicas=0", "replicas"),
        ("gateway.replicas=many", "replicas"),
        ("publicUrl=csp.example.org", "publicUrl"),
        ("database.url=mysql://nowhere", "url"),
        ("pools.default.scaling.minWarm=-1", "minWarm"),
        ("pools.default.scaling.minwarm=1", "minwarm"),
        ("pools.default.template.hostNetwork=true", "hostNetwork"),
        ("pools.Default.scaling.minWarm=1", "Default"),
        ("networkPolicy.apiServer={10.0.0.1}", "apiServer"),
        ("gateway.resources.limits.memory=lots", "memory"),
        ("ingress.controller=apache", "controller"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(setting: str, said: str) -> None:
    with pytest.raises(RenderingFailed, match=said):
        render("--set", setting)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["postgresql.enabled=false"], "database.url"),
        (["valkey.enabled=false"], "redis.url"),
        (["signingKey.existingSecret=mine"], "signingKey.publicKeys"),
        (["gatewayApi.enabled=true"], "gatewayApi.parentRefs"),
    ],
)
def test_values_that_need_another_one_say_which(settings: list[str], said: str) -> None:
    with pytest.raises(RenderingFailed, match=said):
        render(*(part for one in settings for part in ("--set", one)))


def test_the_charts_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (project, project)


def test_the_defaults_answer_without_a_key_and_with_one_they_ask_the_real_model() -> None:
    trial = rendered()
    assert find(trial, "Deployment", "csp-scripted-model")
    proxy = environment(find(trial, "Deployment", "csp-model-proxy"))
    assert proxy["CSP_PROXY_UPSTREAM_URL"] == "http://csp-scripted-model:8403"
    assert environment(find(trial, "Deployment", "csp-gateway"))["CSP_SCRIPTED_MODEL"] == "true"

    real = rendered("--set", "model.existingSecret=mine")
    assert "csp-scripted-model" not in {r["metadata"]["name"] for r in real}
    proxy = environment(find(real, "Deployment", "csp-model-proxy"))
    assert "CSP_PROXY_UPSTREAM_URL" not in proxy
    assert environment(find(real, "Deployment", "csp-gateway"))["CSP_SCRIPTED_MODEL"] == "false"


def test_the_api_key_is_in_its_secret_and_nowhere_else() -> None:
    made = rendered("--set", "model.apiKey=sk-for-this-test")
    holders = [r["metadata"]["name"] for r in made if "sk-for-this-test" in str(r)]
    assert holders == ["csp-model-api-key"]
    users = [w.owner for w in workloads(made) if "csp-model-api-key" in str(w.spec)]
    assert users == ["Deployment/csp-model-proxy"]


def test_a_secret_of_the_users_own_replaces_the_charts() -> None:
    made = rendered(
        "--set", "postgresql.enabled=false", "--set", "database.existingSecret=my-database",
        "--set", "valkey.enabled=false", "--set", "redis.existingSecret=my-redis",
        "--set", "model.existingSecret=my-model",
    )  # fmt: skip
    assert [s["metadata"]["name"] for s in kinds(made, "Secret")] == ["csp-signing-key"]
    text = str(find(made, "Deployment", "csp-model-proxy"))
    assert all(name in text for name in ("my-database", "my-redis", "my-model"))


def test_every_tenant_gets_pools_keys_rights_and_a_policy_in_its_own_namespace() -> None:
    made = rendered("--set", "tenants.team-a=acme,tenants.team-b=beta")
    for kind in ("AgentPool", "ConfigMap", "Role", "RoleBinding", "NetworkPolicy"):
        places = {r["metadata"]["namespace"] for r in kinds(made, kind)}
        assert {"team-a", "team-b"} <= places, kind
    operator = environment(find(made, "Deployment", "csp-operator"))
    assert operator["CSP_OPERATOR_NAMESPACES"] == "team-a,team-b"
    gateway = environment(find(made, "Deployment", "csp-gateway"))
    assert gateway["CSP_KUBERNETES_NAMESPACE"] == "team-a"
    assert gateway["CSP_KUBERNETES_TENANTS"] == '{"team-b":"beta"}'


def test_an_autoscaler_owns_the_number_of_replicas() -> None:
    made = rendered("--set", "gateway.autoscaling.enabled=true")
    assert "replicas" not in find(made, "Deployment", "csp-gateway")["spec"]
    scaler = find(made, "HorizontalPodAutoscaler", "csp-gateway")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 10)


def test_a_gateway_that_stops_gets_the_time_that_its_drain_takes() -> None:
    made = rendered("--set", "gateway.preStopSeconds=7,gateway.shutdownSeconds=30")
    pod = find(made, "Deployment", "csp-gateway")["spec"]["template"]["spec"]
    assert pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"] == 7
    assert pod["terminationGracePeriodSeconds"] >= 7 + 30 + 15


def test_a_new_version_of_the_chart_alone_replaces_no_pod() -> None:
    for workload in workloads(rendered()):
        if workload.owner.startswith(("Deployment", "StatefulSet")):
            assert not {"helm.sh/chart", "app.kubernetes.io/version"} & set(workload.labels)


def test_images_come_from_the_registry_with_the_tag_or_digest_that_values_name() -> None:
    digest = "sha256:" + "0" * 64
    made = rendered(
        "--set", "image.registry=registry.example.org/csp/", "--set", "image.tag=9.9",
        "--set", f"gateway.image.digest={digest}",
    )  # fmt: skip
    images = {c["image"] for w in workloads(made) for c in w.containers}
    assert f"registry.example.org/csp/csp-gateway:9.9@{digest}" in images
    assert "registry.example.org/csp/csp-operator:9.9" in images
    pool = find(made, "AgentPool", "default")
    assert pool["spec"]["template"]["image"] == "registry.example.org/csp/csp-worker:9.9"


@pytest.mark.parametrize("controller", ["nginx", "haproxy"])
def test_an_ingress_keeps_streams_open(controller: str) -> None:
    made = rendered("--set", f"ingress.enabled=true,ingress.controller={controller}")
    ingress = find(made, "Ingress", "csp-gateway")
    assert any("3600" in v or v == "1h" for v in ingress["metadata"]["annotations"].values())
    paths = ingress["spec"]["rules"][0]["http"]["paths"]
    backends = {p["path"]: p["backend"]["service"]["name"] for p in paths}
    assert backends == {"/": "csp-gateway"}


def test_a_route_of_the_gateway_api_has_no_time_limit() -> None:
    made = rendered("--set", "gatewayApi.enabled=true,gatewayApi.parentRefs[0].name=public")
    route = find(made, "HTTPRoute", "csp-gateway")
    (whole,) = route["spec"]["rules"]
    assert whole["timeouts"] == {"request": "0s", "backendRequest": "0s"}
    (port,) = find(made, "Service", "csp-gateway")["spec"]["ports"]
    assert port["appProtocol"] == "kubernetes.io/ws"


def test_the_migration_comes_before_everything_where_the_database_is_there_already() -> None:
    own = ["--set", "postgresql.enabled=false", "--set", "database.url=postgresql://db/csp",
           "--set", "database.migrationUrl=postgresql://owner@db/csp"]  # fmt: skip
    made = rendered(*own)
    job = find(made, "Job", "csp-migrate")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    owners = [r["metadata"]["name"] for r in made if "owner@db" in str(r)]
    assert owners == ["csp-migrate"], "the owner's address is for the migration alone"

    bundled = find(rendered(), "Job", "csp-migrate-1")
    assert "helm.sh/hook" not in bundled["metadata"].get("annotations", {})
    upgrade = find(rendered("--is-upgrade"), "Job", "csp-migrate")
    assert "pre-upgrade" in upgrade["metadata"]["annotations"]["helm.sh/hook"]
