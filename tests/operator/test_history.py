"""The observer of the other tests sees what must never be."""

from __future__ import annotations

from typing import Any

import pytest

from csp_crds import names
from support.history import PODS, Change, violations
from support.kube import SESSIONS


def pod(version: int, uid: str, session: str | None, **more: Any) -> Change:
    kind = names.SESSION_KIND if session else names.POOL_KIND
    owner = {"kind": kind, "uid": session or "pool"}
    meta = {"uid": uid, "ownerReferences": [owner], **more.pop("meta", {})}
    item = {"metadata": meta, "status": {"phase": more.pop("phase", "Running")}}
    return Change(PODS, version, more.pop("gone", False), item)


def session(version: int, uid: str, pod_uid: str | None, release: str = "") -> Change:
    meta = {"uid": uid, "annotations": {names.RELEASE: release}}
    status = {"pod": {"uid": pod_uid}} if pod_uid else {}
    return Change(SESSIONS, version, False, {"metadata": meta, "status": status})


WARM = [pod(1, "p1", None), pod(2, "p2", None)]
SERVED = [*WARM, pod(3, "p1", "s1"), session(4, "s1", "p1")]


@pytest.mark.parametrize(
    "changes",
    [
        [*SERVED, pod(5, "p1", "s1", phase="Failed"), pod(6, "p2", "s1"), session(7, "s1", "p2")],
        [*SERVED, pod(5, "p1", "s1", gone=True), pod(6, "p2", "s1"), session(7, "s1", "p2")],
        [*SERVED, pod(5, "p1", "s1", meta={"deletionTimestamp": "now"}), session(7, "s1", "p2")],
        [*SERVED, pod(5, "p2", "s1"), session(6, "s1", "p2", release="p1")],
        [*SERVED, pod(5, "p2", "s1"), session(6, "s1", "p1"), pod(7, "p2", "s1", gone=True)],
    ],
)
def test_what_is_allowed(changes: list[Change]) -> None:
    assert violations(changes) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ([*SERVED, pod(5, "p1", "s2")], "was s1's and then s2's"),
        ([*SERVED, pod(5, "p1", None)], "was s1's and then nobody's"),
        ([*SERVED, pod(5, "p2", "s1"), session(6, "s1", "p2")], "while p1 was at work"),
        ([*SERVED, session(5, "s2", "p1")], "served another session before"),
        (
            [*SERVED, session(5, "s1", "p2", release="p1"), session(6, "s1", "p1", release="p2")],
            "the used pod p1 again",
        ),
    ],
)
def test_what_must_never_be(changes: list[Change], says: str) -> None:
    (found,) = violations(changes)
    assert says in found
