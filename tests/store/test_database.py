"""What the pool does for everybody else when one of its users stops in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from csp_controlplane.store.database import DATABASE_AWAY, Database

SET = "update tenants set name = $1 where id = 't1'"


async def test_a_transaction_whose_program_froze_does_not_hold_its_row_for_ever(
    new_database: Callable[[], str],
) -> None:
    """As a gateway that is stopped after its UPDATE and before its COMMIT."""
    url = new_database()
    frozen = await Database.connect(url, frozen_s=0.5)
    other = await Database.connect(url)
    try:
        async with other.tenant("t1") as connection:
            await connection.execute("insert into tenants values ('t1', 'before')")
        with pytest.raises(DATABASE_AWAY):
            async with frozen.tenant("t1") as connection:
                await connection.execute(SET, "of the frozen one")
                async with asyncio.timeout(8), other.tenant("t1") as second:
                    await second.execute(SET, "of the other one")
        async with frozen.tenant("t1") as connection:  # a new connection takes the old one's place
            name = await connection.fetchval("select name from tenants where id = 't1'")
        assert name == "of the other one"
    finally:
        await frozen.close()
        await other.close()
