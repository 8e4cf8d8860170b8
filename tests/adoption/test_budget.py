"""spec.budget of an AgentSession: from dollars in text to a limit that the status tells of."""

from __future__ import annotations

import pytest

from csp_controlplane.adoption.judging import budget_microusd
from csp_crds.session import AgentSessionSpec
from support.kube import SESSIONS, Kube, Object, condition, is_true, session
from support.planes import ADDRESS, ALICE, TENANT, Planes


@pytest.mark.parametrize(
    ("usd", "microusd"),
    [
        (None, None),
        ("0", 0),
        ("2", 2_000_000),
        ("2.5", 2_500_000),
        ("2.50", 2_500_000),
        ("0.000001", 1),
        ("0.05", 50_000),
        ("9999999.999999", 9_999_999_999_999),
    ],
)
def test_dollars_are_exact(usd: str | None, microusd: int | None) -> None:
    spec = {"owner": "ada", **({"budget": {"usd": usd}} if usd is not None else {})}
    assert budget_microusd(AgentSessionSpec.model_validate(spec)) == microusd


async def test_an_applied_budget_is_the_sessions_and_its_end_is_told(
    planes: Planes, kube: Kube
) -> None:
    await planes.start()
    await kube.create(SESSIONS, session("one", ADDRESS, budget={"usd": "1.25"}))
    await kube.create(SESSIONS, session("free", ADDRESS))
    found = await kube.until(SESSIONS, "one", is_true("Accepted"))
    session_id = found["status"]["sessionId"]
    async with planes.db.tenant(TENANT) as connection:
        limit = await connection.fetchval(
            "select budget_microusd from sessions where id = $1", session_id
        )
    assert limit == 1_250_000
    assert condition(found, "BudgetExhausted")["status"] == "False"
    assert condition(found, "BudgetExhausted")["reason"] == "Spent"
    await spend(planes, session_id, 1_300_000)
    found = await kube.until(SESSIONS, "one", is_true("BudgetExhausted"))
    assert found["status"]["cost"] == "1.300000"
    assert "1.3000 of 1.2500" in condition(found, "BudgetExhausted")["message"]
    other: Object = await kube.until(SESSIONS, "free", is_true("Accepted"))
    assert condition(other, "BudgetExhausted")["reason"] == "NoBudget"


async def spend(planes: Planes, session_id: str, microusd: int) -> None:
    """What the model proxy writes when a request has ended."""
    async with planes.db.tenant(TENANT) as connection:
        await connection.execute(
            "insert into model_requests (id, tenant, session_id, user_id, epoch, model, status, "
            "http_status, reserved_microusd, cost_microusd, ended_at) "
            "values ('req_1', $1, $2, $3, 1, 'm', 'settled', 200, $4, $4, now())",
            TENANT, session_id, ALICE, microusd,
        )  # fmt: skip
