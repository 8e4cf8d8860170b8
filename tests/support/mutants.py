"""Protections, switched off one by one in a copy of the sources, and the tests that must notice.

A protection that no test misses is a protection that the next change removes. Each entry names the
text that protects, what stands there instead, and a test that then fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("controlplane", "worker")
CONTROLPLANE = "controlplane/src/csp_controlplane"
WORKER = "worker/src/csp_worker"
SCHEMA = f"{CONTROLPLANE}/store/migrations/versions/0001_initial.sql"
GROUPS = f"{CONTROLPLANE}/store/migrations/versions/0008_appends_together.sql"


@dataclass(frozen=True)
class Change:
    """`old` in a file becomes `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Protection:
    """What is protected, how it is switched off, and who notices."""

    name: str
    test: str
    changes: tuple[Change, ...]


def protection(name: str, test: str, *changes: tuple[str, str, str]) -> Protection:
    return Protection(name, test, tuple(Change(*change) for change in changes))


LOG = (
    protection(
        "the epoch fences an old worker's batch in a group",
        "tests/store/test_appending.py"
        "::test_a_batch_that_does_not_match_writes_nothing_and_the_others_do",
        (GROUPS, "s.epoch = b.epoch and ", ""),
    ),
    protection(
        "numbers continue in a group",
        "tests/store/test_appending.py"
        "::test_a_batch_that_does_not_match_writes_nothing_and_the_others_do",
        (GROUPS, "and s.next_n = b.first_n ", ""),
    ),
    protection(
        "a group waits for nobody's row",
        "tests/store/test_appending.py"
        "::test_a_group_does_not_wait_for_the_row_of_one_of_its_sessions",
        (f"{CONTROLPLANE}/store/appending.py", "PATIENCE = timedelta(milliseconds=50)",
         "PATIENCE = timedelta(hours=1)"),
    ),
    protection(
        "what waits for a row gives its place up",
        "tests/store/test_appending.py"
        "::test_what_comes_while_all_places_are_taken_goes_in_one_statement",
        (f"{CONTROLPLANE}/store/appending.py", "SLOW_S = 0.1", "SLOW_S = 3600.0"),
    ),
    protection(
        "the epoch fences an old worker",
        "tests/store/test_log.py::test_an_old_epoch_appends_nothing",
        (SCHEMA, "and epoch = p_epoch and", "and"),
    ),
    protection(
        "numbers continue",
        "tests/store/test_log.py::test_numbers_that_do_not_continue_append_nothing",
        (SCHEMA, "and next_n = p_first_n and", "and"),
    ),
    protection(
        "an ended epoch writes no more",
        "tests/store/test_log.py"
        "::test_an_ended_epoch_appends_nothing_before_the_next_one_opens",
        (f"{CONTROLPLANE}/store/sessions.py", "set next_n = 0 where", "set next_n = next_n where"),
    ),
    protection(
        "a fold is written on its version only",
        "tests/store/test_log.py::test_a_fold_is_written_only_on_the_version_it_was_made_from",
        (SCHEMA, "and (p_fold is null or fold_version = p_fold_version)", ""),
        (SCHEMA, "p_fold is not null and v_session.fold_version <> p_fold_version", "false"),
    ),
    protection(
        "a message id is one event",
        "tests/store/test_log.py::test_a_message_id_is_written_once",
        (SCHEMA, "and e.dedup_key = any(p_dedup_keys)", "and false"),
        (SCHEMA, "create unique index events_by_dedup_key", "create index events_by_dedup_key"),
    ),
    protection(
        "row level security",
        "tests/store/test_log.py::test_another_tenant_sees_and_writes_nothing",
        (SCHEMA, "alter table %I enable row level security", "alter table %I disable row level "
         "security"),
    ),
    protection(
        "one worker serves one session",
        "tests/store/test_log.py::test_one_worker_never_serves_two_sessions",
        (SCHEMA, "create unique index bindings_one_session_per_worker", "create index b_o_s_p_w"),
    ),
)  # fmt: skip

SESSIONS = (
    protection(
        "inputs reach a worker before the acknowledgement of what came after them",
        "tests/protocol/test_changed_before_its_turn.py"
        "::test_what_was_accepted_before_the_turn_is_in_the_log_ends_it",
        (f"{CONTROLPLANE}/attach/attachment.py", "            await self._inputs_first()\n", ""),
    ),
    protection(
        "shown only after the commit",
        "tests/sessions/test_show_after_commit.py"
        "::test_a_fact_is_shown_and_acknowledged_only_after_its_commit",
        (f"{CONTROLPLANE}/attach/committer.py", "            base = await self._core.appends",
         "            await self._show(self._hub.shown, rows)\n"
         "            base = await self._core.appends"),
    ),
    protection(
        "a slow subscriber is dropped",
        "tests/sessions/test_view.py"
        "::test_a_slow_reader_is_closed_and_the_others_are_not",
        (f"{CONTROLPLANE}/live/hub.py", "if self._bytes > self._max_bytes:", "if False:"),
    ),
    protection(
        "one confirmation for a tool use",
        "tests/sessions/test_input.py"
        "::test_a_question_is_answered_once_and_a_restless_tool_is_audited",
        (f"{CONTROLPLANE}/domain/decisions.py", "    if question is None:\n        raise Conflict(",
         "    if False:\n        raise Conflict("),
        (f"{CONTROLPLANE}/domain/decisions.py", ", dedup_key=confirmation_key(fields))", ")"),
    ),
    protection(
        "a worker reports its own types only",
        "tests/sessions/test_bad_workers.py"
        "::test_a_worker_that_reports_what_it_may_not_is_replaced_and_audited",
        (f"{CONTROLPLANE}/domain/vocabulary.py", '        "agent.message",\n',
         '        "agent.message", "user.message", "session.usage", "session.status_idle",\n'),
    ),
    protection(
        "the official client's retry is one message",
        "tests/sessions/test_input.py"
        "::test_the_same_request_retried_within_a_minute_is_one_message",
        (f"{CONTROLPLANE}/sessions/service.py", "if is_retry and", "if False and"),
    ),
    protection(
        "a session is its owner's",
        "tests/sessions/test_view.py::test_a_foreign_session_looks_like_an_unknown_one",
        (f"{CONTROLPLANE}/sessions/service.py", "row is None or row.owner != who.user_id",
         "row is None"),
    ),
    protection(
        "a hundred messages wait, no more",
        "tests/domain/test_decisions.py"
        "::test_the_message_after_a_full_queue_is_refused_with_what_to_do",
        (f"{CONTROLPLANE}/domain/decisions.py", "if len(fold.queue) >= MAX_QUEUE:", "if False:"),
    ),
)  # fmt: skip

DOORS = (
    protection(
        "another origin may not write",
        "tests/gateway/test_sign_in.py::test_another_origin_cannot_write_with_the_cookie",
        (f"{CONTROLPLANE}/gateway/security.py", "if _origin(origin) not in", "if '' in"),
    ),
    protection(
        "a body has a limit",
        "tests/gateway/test_errors.py::test_ten_megabytes_are_refused",
        (f"{CONTROLPLANE}/gateway/body_limit.py", "self._json = json_bytes", "self._json = 2**40"),
    ),
    protection(
        "a sign-in link works once",
        "tests/gateway/test_sign_in.py::test_a_link_signs_in_once",
        (SCHEMA, "and l.used_at is null and", "and"),
    ),
    protection(
        "a handle ends with its epoch",
        "tests/model/test_proxy_access.py::test_handle_ends_with_its_epoch",
        (SCHEMA, "where b.handle_hash = p_hash and b.ended_at is null", "where b.handle_hash = "
         "p_hash"),
    ),
)  # fmt: skip

WORKERS = (
    protection(
        "a token is accepted once",
        "tests/worker/test_bind.py::test_a_token_is_accepted_once",
        (f"{WORKER}/auth.py", "if jti in self._seen:", "if False:"),
    ),
    protection(
        "a worker is bound once",
        "tests/worker/test_bind.py::test_another_epoch_is_refused",
        (f"{WORKER}/binder.py", "self._identity is not None and self._identity != asked", "False"),
    ),
    protection(
        "a tool waits until the log has it",
        "tests/worker/test_permissions.py::test_a_call_that_the_log_does_not_take_is_refused",
        (f"{WORKER}/hooks.py", "await bound.log.durable(emitted, self._ack_seconds)", "pass"),
    ),
    protection(
        "a turn waits until the log has it",
        "tests/model/test_proxy_early.py::test_the_model_is_not_asked_before_the_log_has_the_turn",
        (f"{CONTROLPLANE}/proxy/accounts.py", "if found is None or not found.early:", "if True:"),
    ),
    protection(
        "input delivered twice is taken once",
        "tests/worker/test_gateways.py::test_input_delivered_by_two_gateways_is_taken_once",
        (f"{WORKER}/inputs.py", "if seq <= self.cursor:", "if False:"),
    ),
)  # fmt: skip

ALL = {"log": LOG, "sessions": SESSIONS, "doors": DOORS, "workers": WORKERS}


def survivors(protections: Sequence[Protection], directory: Path) -> dict[str, str]:
    """Protections whose test did not fail without them, with what it did instead."""
    _copy(protections, directory)
    report = directory / "report.xml"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    environment["PYTHONPATH"] = os.pathsep.join(str(directory / p / "src") for p in PACKAGES)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--tb=native", "-p", "no:cacheprovider",
         f"--junitxml={report}",
         *(each.test for each in protections)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    if not report.exists():
        raise RuntimeError(f"the tests did not run:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    outcomes = _outcomes(report)
    return {
        each.name: outcome
        for each in protections
        if (outcome := outcomes.get(each.test.rpartition("::")[2], "did not run")) != "failed"
    }


def _copy(protections: Sequence[Protection], directory: Path) -> None:
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", "static")
        shutil.copytree(ROOT / package / "src", directory / package / "src", ignore=ignored)
    for change in (change for each in protections for change in each.changes):
        path = directory / change.file
        text = path.read_text()
        if change.old not in text:
            raise LookupError(f"{change.file} has no {change.old!r} any more: name what protects")
        path.write_text(text.replace(change.old, change.new))


def _outcomes(report: Path) -> dict[str, str]:
    """By the test's name; of a parametrised test one failure is enough."""
    found: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):
        name = str(case.get("name")).partition("[")[0]
        kinds = {child.tag for child in case}
        outcome = "failed" if "failure" in kinds else "errored" if "error" in kinds else "passed"
        if found.get(name) != "failed":
            found[name] = outcome
    return found
