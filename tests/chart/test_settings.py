"""The chart sets what the programs read: every variable exists, and its value is taken."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_settings import BaseSettings

from chart.rendering import VARIANTS, Variant
from chart.workloads import workloads
from csp_controlplane.attach.settings import CoreSettings
from csp_controlplane.gateway.settings import GatewaySettings
from csp_controlplane.proxy.settings import ProxySettings
from csp_controlplane.runtime.kubernetes.settings import KubernetesSettings
from csp_controlplane.scripted_model.settings import ScriptedSettings
from csp_controlplane.settings import DatabaseSettings, LogSettings, RedisSettings
from csp_operator.settings import OperatorSettings
from generate.settings import _variables
from support.charts import environment, find, rendered

_SHARED: tuple[type[BaseSettings], ...] = (DatabaseSettings, RedisSettings, LogSettings)
_CLASSES: dict[str, tuple[type[BaseSettings], ...]] = {
    "gateway": (*_SHARED, GatewaySettings, KubernetesSettings, CoreSettings),
    "model-proxy": (*_SHARED, ProxySettings),
    "scripted-model": (LogSettings, ScriptedSettings),
    "operator": (OperatorSettings,),
    "migrate": (DatabaseSettings, LogSettings),
}


def _known(component: str) -> set[str]:
    return {
        variable
        for settings in _CLASSES[component]
        for name, field in settings.model_fields.items()
        for variable in _variables(settings, name, field)
    }


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_every_variable_is_a_setting_of_its_program(variant: Variant) -> None:
    for workload in workloads(variant.resources):
        if workload.component not in _CLASSES:
            continue
        given = {one["name"] for c in workload.containers for one in c.get("env", [])}
        ours = {name for name in given if name.startswith("CSP_")}
        assert ours <= _known(workload.component), workload.owner


def _set(monkeypatch: pytest.MonkeyPatch, workload: Any) -> dict[str, str]:
    values = environment(workload)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CSP_DATABASE_URL", "postgresql://csp@db/csp")
    monkeypatch.setenv("CSP_REDIS_URL", "redis://cache")
    return values


def test_the_gateway_takes_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    made = rendered("--set", "publicUrl=https://csp.example.org/,tenants.csp=local,tenants.a=acme")
    _set(monkeypatch, find(made, "Deployment", "csp-gateway"))
    settings, kubernetes = GatewaySettings(), KubernetesSettings()
    assert settings.public_url == "https://csp.example.org"
    assert (settings.host, settings.port) == ("0.0.0.0", 8400)
    assert settings.runtime == "kubernetes"
    assert not settings.migrate
    assert kubernetes.tenant_of("csp") == "local"
    assert kubernetes.tenant_of("a") == "acme"
    assert kubernetes.namespaces == ("a", "csp")
    assert DatabaseSettings().max_connections == 10


def test_the_model_proxy_takes_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    made = rendered("--set", "model.allowed={claude-a*,claude-b}")
    _set(monkeypatch, find(made, "Deployment", "csp-model-proxy"))
    settings = ProxySettings()
    assert settings.models == ("claude-a*", "claude-b")
    assert settings.upstream_url == "http://csp-scripted-model:8403"
    assert settings.shutdown_seconds == 120


def test_the_operator_takes_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    made = rendered("--set", "tenants.csp=local,tenants.a=acme,log.level=debug")
    _set(monkeypatch, find(made, "Deployment", "csp-operator"))
    settings = OperatorSettings()
    assert settings.namespaces == ("a", "csp")
    assert settings.services_namespace == "csp"
    assert settings.worker_keys_config_map == "csp-worker-keys"
    assert settings.log_level == "debug"


def test_a_setting_of_the_users_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    made = rendered("--set-string", "gateway.env.CSP_GATEWAY_SIGN_IN_DAYS=3",
                    "--set-string", "gateway.env.CSP_LOG_LEVEL=error")  # fmt: skip
    _set(monkeypatch, find(made, "Deployment", "csp-gateway"))
    assert GatewaySettings().sign_in_days == 3
    assert LogSettings().level == "error"
