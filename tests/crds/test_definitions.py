"""The definitions as people meet them: kubectl explain, get, and the examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from csp_crds import names
from csp_crds.agent import AgentSpec
from csp_crds.agent_resource import agent_from_resource, agent_to_resource
from csp_crds.base import seconds
from csp_crds.manifests import agent_pool, agent_session
from csp_crds.pool import AgentPoolSpec
from csp_crds.session import AgentSessionSpec
from support.apiserver import ApiServer

CRDS = Path(__file__).parents[2] / "crds"
EXAMPLES = sorted((CRDS / "examples").glob("*.yaml"))


def _fields(schema: dict[str, Any], path: str) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for name, field in schema.get("properties", {}).items():
        found.append((f"{path}.{name}", field))
        found += _fields(field, f"{path}.{name}")
        for key in ("items", "additionalProperties"):
            if isinstance(field.get(key), dict):
                found += _fields(field[key], f"{path}.{name}")
    return found


@pytest.mark.parametrize("make", [agent_session, agent_pool])
def test_every_field_is_described(make: Any) -> None:
    schema = make()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    for part in ("spec", "status"):
        for path, field in _fields(schema[part], part):
            assert field.get("description"), f"{path} has no description"


@pytest.mark.parametrize("make", [agent_session, agent_pool])
def test_the_files_are_the_models(make: Any) -> None:
    definition = make()
    text = (CRDS / f"{definition['metadata']['name']}.yaml").read_text()
    assert yaml.safe_load(text) == yaml.safe_load(yaml.safe_dump(definition)), "run make generate"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_work_as_they_stand(
    example: Path, api_server: ApiServer, kube_namespace: str
) -> None:
    api_server.kubectl("-n", kube_namespace, "apply", "-f", str(example))
    resource = yaml.safe_load(example.read_text())
    model = AgentPoolSpec if resource["kind"] == names.POOL_KIND else AgentSessionSpec
    model.model_validate(resource["spec"])


def test_kubectl_explains(api_server: ApiServer) -> None:
    said = api_server.kubectl("explain", "as.spec.lifecycle")
    assert "idleTimeout" in said
    assert "the next message wakes" in " ".join(said.split())


def test_kubectl_lists(api_server: ApiServer, kube_namespace: str) -> None:
    api_server.kubectl("-n", kube_namespace, "apply", "-f", str(CRDS / "examples/session.yaml"))
    plain = api_server.kubectl("-n", kube_namespace, "get", "as")
    assert plain.split()[:6] == ["NAME", "PHASE", "READY", "TURN", "OWNER", "AGE"]
    wide = api_server.kubectl("-n", kube_namespace, "get", "csp", "-o", "wide")
    assert {"WHY", "BOUND", "COST", "MESSAGE"} <= set(wide.split())
    assert "admin@example.com" in wide


def test_what_the_server_fills_in_is_what_the_models_fill_in(
    api_server: ApiServer, kube_namespace: str
) -> None:
    for name, plural, model in (
        ("session", "as/hello", AgentSessionSpec),
        ("pool", "ap/default", AgentPoolSpec),
    ):
        example = CRDS / "examples" / f"{name}.yaml"
        api_server.kubectl("-n", kube_namespace, "apply", "-f", str(example))
        stored = yaml.safe_load(
            api_server.kubectl("-n", kube_namespace, "get", plural, "-o", "yaml")
        )["spec"]
        asked = yaml.safe_load(example.read_text())["spec"]
        assert model.model_validate(stored) == model.model_validate(asked)


def test_an_agent_survives_the_way_into_a_resource_and_back() -> None:
    spec = AgentSpec.model_validate(
        {
            "model": "m",
            "permissions": {"Bash(git_x:*)": "allow"},
            "mcp_servers": {"my_server": {"type": "stdio", "command": "c", "env": {"A_B": "1"}}},
            "subagents": {"a_b": {"description": "d", "prompt": "p"}},
            "thinking": {"type": "enabled", "budget_tokens": 2048},
            "output_schema": {"type": "object", "additional_things": {"a_b": 1}},
            "env": {"MY_VARIABLE": "1"},
            "limits": {"turn_seconds": 60},
        }
    )
    resource = agent_to_resource(spec)
    assert resource["limits"]["turnSeconds"] == 60
    assert "my_server" in resource["mcpServers"]
    assert resource["thinking"]["budgetTokens"] == 2048
    assert agent_from_resource(resource) == spec


@pytest.mark.parametrize(
    ("text", "number"), [("30m", 1800), ("1h30m", 5400), ("45s", 45), ("1h1m1s", 3661)]
)
def test_durations(text: str, number: int) -> None:
    assert seconds(text) == number


@pytest.mark.parametrize("text", ["", "5", "m", "1.5h", "30 m", "-5m"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        seconds(text)


def test_names_of_api_sessions_are_names() -> None:
    assert names.resource_name("sesn_01AbC") == "sesn-01abc"
