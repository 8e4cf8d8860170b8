"""Admission while PostgreSQL is away, within what is left of a budget."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from csp_controlplane.domain.ids import new_id
from csp_controlplane.proxy.accounts import Accounts, hash_handle
from csp_controlplane.proxy.ledger import Handle, Ledger, Reservation, Settlement
from csp_controlplane.proxy.refusals import Refusal
from csp_controlplane.proxy.settings import ProxySettings
from csp_controlplane.proxy.usage import Usage
from csp_controlplane.store.database import Database
from support.models import MODEL, TENANT, bind_session


class Clock:
    """Seconds that pass when a test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_known_handle_is_served_from_memory_until_its_time_or_budget_ends(
    database_url: str, db: Database
) -> None:
    session = await bind_session(db)
    handle, clock = Handle(hash_handle(session.handle), None), Clock()
    own = await Database.connect(database_url)
    accounts = Accounts(Ledger(own), ProxySettings(), clock, new_id)
    confirmed = await accounts.reserve(handle, MODEL, 100)
    assert confirmed.payer.session == session.id
    await own.close()  # to this proxy PostgreSQL is now away

    accounts.remember(handle, left_microusd=250)
    for _ in range(2):
        served = await accounts.reserve(handle, MODEL, 100)
        assert served.payer == confirmed.payer
    assert accounts.away
    with pytest.raises(Refusal, match="budget is used up") as refused:
        await accounts.reserve(handle, MODEL, 100)
    assert refused.value.status == 402

    accounts.remember(handle, left_microusd=None)
    clock.now += 60
    await accounts.reserve(handle, MODEL, 100)
    clock.now += 0.1
    with pytest.raises(Refusal, match="database has been away"):
        await accounts.reserve(handle, MODEL, 100)
    with pytest.raises(Refusal, match="database has been away"):
        await accounts.check(handle)


async def test_a_handle_that_was_confirmed_for_one_address_is_not_served_to_another_from_memory(
    database_url: str, db: Database
) -> None:
    session = await bind_session(db, "10.0.0.1:7443")
    handle = Handle(hash_handle(session.handle), "10.0.0.1")
    own = await Database.connect(database_url)
    accounts = Accounts(Ledger(own), ProxySettings(), Clock(), new_id)
    await accounts.reserve(handle, MODEL, 100)
    await own.close()
    await accounts.reserve(handle, MODEL, 100)
    with pytest.raises(Refusal, match="database has been away"):
        await accounts.reserve(handle._replace(peer="10.0.0.2"), MODEL, 100)


async def test_handle_that_was_never_confirmed_is_not_served_from_memory(
    database_url: str, db: Database
) -> None:
    session = await bind_session(db)
    own = await Database.connect(database_url)
    accounts = Accounts(Ledger(own), ProxySettings(), Clock(), new_id)
    await own.close()
    with pytest.raises(Refusal, match="database has been away"):
        await accounts.reserve(Handle(hash_handle(session.handle), None), MODEL, 100)


async def test_a_budget_is_overdrawn_by_one_request_at_most(
    database_url: str, db: Database
) -> None:
    session = await bind_session(db)
    async with db.tenant(TENANT) as connection:
        await connection.execute(
            "update sessions set budget_microusd = 150 where id = $1", session.id
        )
    handle = Handle(hash_handle(session.handle), None)
    ledger = Ledger(db)
    accounts = Accounts(ledger, ProxySettings(), Clock(), new_id)
    together = await asyncio.gather(
        *(accounts.reserve(handle, MODEL, 100) for _ in range(5)), return_exceptions=True
    )
    refused = [one for one in together if isinstance(one, Refusal)]
    assert len(refused) == 3
    assert {one.status for one in refused} == {402}
    admitted = [one for one in together if isinstance(one, Reservation)]
    settled = [
        Settlement(one, 200, 10, Usage(input_tokens=1, output_tokens=1), datetime.now(UTC))
        for one in admitted
    ]
    await ledger.settle(TENANT, session.id, settled)
    await accounts.reserve(handle, MODEL, 100)
