"""Mistakes on purpose: each makes the control plane break one promise in one place.

They replace parts of the product from outside, in a process that asked for it. Whoever looks for
broken promises must find each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from csp_controlplane.attach import attachment, committer
from csp_proto import worker_pb2 as pb


def acknowledge_first() -> None:
    """Says that facts are durable before they are."""
    commit = attachment.Attachment._commit_until_done

    async def planted(self: Any, batch: Any) -> int:
        call = self._planted_call
        ack = pb.Ack(n=batch.last_n, last_seq=self._hub.shown)
        await call.write(pb.GatewayFrame(ack=ack))
        return await commit(self, batch)

    run = attachment.Attachment._commit

    async def remember(self: Any, call: Any) -> None:
        self._planted_call = call
        await run(self, call)

    attachment.Attachment._commit_until_done = planted  # type: ignore[method-assign]
    attachment.Attachment._commit = remember  # type: ignore[method-assign]


def show_first() -> None:
    """Shows facts before they are in the log."""
    commit = committer.Committer.commit

    async def planted(self: Any, batch: Any) -> int:
        parsed, raws = committer.check_facts(batch.facts)
        rows = committer._interleave(batch.first_n, parsed, raws, committer.NONE)
        await self._show(self._hub.shown, rows)
        return await commit(self, batch)

    committer.Committer.commit = planted  # type: ignore[method-assign]


def forget_epochs() -> None:
    """Takes facts of any epoch: the database's half is `unfence`."""


PLANTS: dict[str, Callable[[], None]] = {
    "acknowledge-first": acknowledge_first,
    "show-first": show_first,
    "forget-epochs": forget_epochs,
}


async def unfence(connection: Any) -> None:
    """Makes the append of a worker's facts look at no epoch.

    Numbers are an epoch's own, so those of another are not compared either.
    """
    for name, condition, without in (
        (
            "append_worker",
            "and epoch = p_epoch and next_n = p_first_n",
            "and (epoch <> p_epoch or next_n = p_first_n)",
        ),
        (
            "append_workers",
            "and s.epoch = b.epoch and s.next_n = b.first_n",
            "and (s.epoch <> b.epoch or s.next_n = b.first_n)",
        ),
    ):
        source: str = await connection.fetchval(
            "select pg_get_functiondef(p.oid) from pg_proc p where p.proname = $1", name
        )
        if condition not in source:
            raise LookupError(f"{name} has no such condition any more: name what fences")
        await connection.execute(source.replace(condition, without))
