"""Compares what everybody knows: each client's view, the database's log, the worker's journal.

Pure: everything was gathered before. A finding is a sentence under one of the headings that the run
prints as a number; no findings is what the run is for. What turns came to is compared in `turns`.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence

from bench.chaos import turns
from bench.chaos.case import Case, Findings, Journal, Row


def check(case: Case, findings: Findings) -> None:
    """Adds what is wrong with this session."""
    _order(case, findings)
    _views(case, findings)
    _accepted(case, findings)
    _epochs(case, findings)
    turns.check(case, findings)


def _order(case: Case, findings: Findings) -> None:
    if [row.seq for row in case.log] != list(range(1, len(case.log) + 1)):
        findings.add("reordered", case, "the log's seqs have a gap or a repetition")
    for event_id, count in Counter(row.id for row in case.log).items():
        if count > 1:
            findings.add("doubled", case, f"{event_id} is {count} times in the log")


def _views(case: Case, findings: Findings) -> None:
    for view in case.views:
        for problem in view.problems:
            findings.add("reordered", case, f"a client: {problem}")
        for seq, event in enumerate(view.facts, start=1):
            stored = case.log[seq - 1] if seq <= len(case.log) else None
            if stored is None or stored.body != event:
                what = f"{event['type']} {event['id']} was shown as {seq}"
                findings.add("lost", case, f"{what}, the log has {stored and stored.id}")
                break
        if len(view.facts) < len(case.log):
            missing = len(case.log) - len(view.facts)
            findings.add("lost", case, f"a client never saw the last {missing} events")
        for event_id in view.open:
            findings.add("unmarked", case, f"text of {event_id} neither became a fact nor went")


def _accepted(case: Case, findings: Findings) -> None:
    bodies = {row.id: row.body for row in case.log}
    for client_id, event in case.accepted.items():
        findings.compared[event["type"]] += 1
        stored = bodies.get(event["id"])
        if stored is None:
            findings.add("lost", case, f"{client_id} was accepted and is not in the log")
        elif not case.sent.get(client_id, {}).items() <= stored.items():
            findings.add("lost", case, f"{client_id} is not in the log as it was sent")
    said = Counter(body["client_id"] for body in bodies.values() if "client_id" in body)
    for client_id, count in said.items():
        if count > 1:
            findings.add("doubled", case, f"what {client_id} said is {count} times in the log")
        if client_id in case.refused:
            findings.add("unmarked", case, f"{client_id} was refused and is in the log")


def _epochs(case: Case, findings: Findings) -> None:
    rows: defaultdict[int, list[Row]] = defaultdict(list)
    for row in case.log:
        if row.epoch is not None:
            rows[row.epoch].append(row)
    for epoch in case.epochs:
        own = rows.pop(epoch.number, [])
        if [row.n for row in own] != list(range(1, len(own) + 1)):
            findings.add("reordered", case, f"epoch {epoch.number} is not in its worker's order")
        later = [other.bound_seq for other in case.epochs if other.number > epoch.number]
        if later and own and own[-1].seq > min(later):
            findings.add("doubled", case, f"epoch {epoch.number} wrote after it was fenced")
        findings.compared["journals"] += epoch.journal is not None
        findings.compared["journals missing"] += epoch.journal is None
        if epoch.journal is not None:
            _journal(case, epoch.number, own, epoch.journal, findings)
    for number in rows:
        findings.add("doubled", case, f"events of epoch {number}, which was never opened")


def _journal(
    case: Case, number: int, own: Sequence[Row], journal: Journal, findings: Findings
) -> None:
    """The journal begins with the log, and goes beyond it by what was not acknowledged."""
    for row in own:
        digest = hashlib.sha256(row.payload.encode()).hexdigest()
        if row.n is not None and journal.said.get(row.n) != digest:
            findings.add("lost", case, f"epoch {number}: n {row.n} is not what the worker said")
            return
    if journal.acked > len(own):
        what = f"n {journal.acked} was acknowledged, the log has {len(own)}"
        findings.add("lost", case, f"epoch {number}: {what}")
