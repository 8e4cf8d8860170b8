"""Bad resources are refused by the API server itself, with a message that names the field."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.apiserver import ApiServer
from support.kube import POOLS, SESSIONS, Kube, Refused, pool, session


@pytest.fixture
async def kube(api_server: ApiServer, kube_namespace: str) -> AsyncIterator[Kube]:
    async with Kube(api_server, kube_namespace) as client:
        yield client


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"owner": ""}, "spec.owner"),
        ({"owner": None}, "spec.owner"),
        ({"owner": "x" * 255}, "spec.owner"),
        ({"forkFrom": "sesn_1"}, "spec.forkFrom"),
        ({"forkFrom": {"at": "sevt_1"}}, "spec.forkFrom.sessionId"),
        ({"forkFrom": {"sessionId": "s"}, "resumeFrom": "s"}, "spec.forkFrom"),
        ({"poolRef": {"name": "Not A Name"}}, "spec.poolRef.name"),
        ({"prompt": {"text": ""}}, "spec.prompt.text"),
        ({"prompt": {"text": "x", "onApproval": "Maybe"}}, "spec.prompt.onApproval"),
        ({"lifecycle": {"idleTimeout": "soon"}}, "spec.lifecycle.idleTimeout"),
        ({"lifecycle": {"idleTimeout": "0s"}}, "spec.lifecycle.idleTimeout"),
        ({"lifecycle": {"maxLifetime": "721h"}}, "spec.lifecycle.maxLifetime"),
        ({"lifecycle": {"ttlAfterFinished": "-5m"}}, "spec.lifecycle.ttlAfterFinished"),
        ({"budget": {"usd": "-1"}}, "spec.budget.usd"),
        ({"budget": {"usd": 5}}, "spec.budget.usd"),
        ({"coldStart": "Perhaps"}, "spec.coldStart"),
        ({"failurePolicy": {"maxRebinds": 101}}, "spec.failurePolicy.maxRebinds"),
        ({"failurePolicy": {"backoffSeconds": -1}}, "spec.failurePolicy.backoffSeconds"),
        ({"agent": {"permissionMode": "yolo"}}, "spec.agent.permissionMode"),
        ({"agent": {"permissions": {"Bash": "sometimes"}}}, "spec.agent.permissions.Bash"),
        ({"agent": {"limits": {"turnSeconds": 0}}}, "spec.agent.limits.turnSeconds"),
        ({"agent": {"subagents": {"a": {"prompt": "p"}}}}, "spec.agent.subagents.a.description"),
        ({"suspend": "yes"}, "spec.suspend"),
    ],
)
async def test_a_bad_session_is_refused(kube: Kube, spec: dict[str, Any], field: str) -> None:
    body = session("bad")
    body["spec"] = {key: text for key, text in {**body["spec"], **spec}.items() if text is not None}
    with pytest.raises(Refused) as refused:
        await kube.create(SESSIONS, body)
    assert refused.value.status == 422
    assert field in refused.value.message


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"owner": "eve@example.com"}, "spec.owner"),
        ({"tenant": "other"}, "spec.tenant"),
        ({"tenant": None}, "spec.tenant"),
        ({"poolRef": {"name": "other"}}, "spec.poolRef"),
        ({"prompt": {"text": "another"}}, "spec.prompt"),
        ({"prompt": None}, "spec.prompt"),
        ({"resumeFrom": "sesn_1"}, "spec.resumeFrom"),
        ({"forkFrom": {"sessionId": "sesn_1"}}, "spec.forkFrom"),
    ],
)
async def test_what_a_session_is_does_not_change(
    kube: Kube, change: dict[str, Any], field: str
) -> None:
    await kube.create(SESSIONS, session("mine", tenant="acme", prompt={"text": "hello"}))
    with pytest.raises(Refused) as refused:
        await kube.merge(SESSIONS, "mine", {"spec": change})
    assert refused.value.status == 422
    assert field in refused.value.message
    assert "immutable" in refused.value.message


async def test_what_may_change_does(kube: Kube) -> None:
    await kube.create(SESSIONS, session("mine"))
    changed = await kube.merge(
        SESSIONS, "mine", {"spec": {"suspend": True, "lifecycle": {"idleTimeout": "1h30m"}}}
    )
    assert changed["spec"]["lifecycle"]["idleTimeout"] == "1h30m"
    assert changed["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"template": {}}, "spec.template.image"),
        ({"template": {"image": ""}}, "spec.template.image"),
        ({"scaling": {"minWarm": 5, "maxWarm": 4}}, "spec.scaling.minWarm"),
        ({"scaling": {"targetSpare": 101}}, "spec.scaling.targetSpare"),
        ({"scaling": {"maxWarm": 5001}}, "spec.scaling.maxWarm"),
        ({"refill": {"maxConcurrent": 0}}, "spec.refill.maxConcurrent"),
        ({"updateStrategy": {"maxUnavailable": "half"}}, "spec.updateStrategy.maxUnavailable"),
        ({"updateStrategy": {"type": "Recreate"}}, "spec.updateStrategy.type"),
    ],
)
async def test_a_bad_pool_is_refused(kube: Kube, spec: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        await kube.create(POOLS, pool("bad", **spec))
    assert refused.value.status == 422
    assert field in refused.value.message


async def test_a_field_that_does_not_exist_is_refused_by_kubectl(
    kube: Kube, api_server: ApiServer
) -> None:
    text = (
        "apiVersion: sessionplane.io/v1alpha1\nkind: AgentSession\nmetadata: {name: typo}\n"
        "spec: {owner: a, prompts: {text: x}}\n"
    )
    said = api_server.kubectl("-n", kube.namespace, "create", "-f", "-", input=text, check=False)
    assert 'unknown field "spec.prompts"' in said
