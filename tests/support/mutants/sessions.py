"""Protections of sessions: what people and workers may say in them, and who sees it."""

from __future__ import annotations

from support.protections import CONTROLPLANE, protection

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
        (f"{CONTROLPLANE}/sessions/ownership.py", "row is None or row.owner != who.user_id",
         "row is None"),
    ),
    protection(
        "a hundred messages wait, no more",
        "tests/domain/test_decisions.py"
        "::test_the_message_after_a_full_queue_is_refused_with_what_to_do",
        (f"{CONTROLPLANE}/domain/decisions.py", "if len(fold.queue) >= MAX_QUEUE:", "if False:"),
    ),
    protection(
        "questions end with their epoch",
        "tests/domain/test_decisions.py"
        "::test_a_lost_worker_interrupts_the_turn_and_keeps_the_queue",
        (f"{CONTROLPLANE}/domain/course.py", "next_fold = replace(next_fold, turn=None, "
         "questions=())\n    events.append(say(\"worker_lost\"", "next_fold = replace(next_fold, "
         "turn=None)\n    events.append(say(\"worker_lost\""),
    ),
    protection(
        "a client ahead of the log is told so",
        "tests/sessions/test_view.py::test_a_client_ahead_of_the_log_is_told_so",
        (f"{CONTROLPLANE}/live/subscription.py", "if self._after > hub.shown:", "if False:"),
    ),
    protection(
        "a client sends known types only",
        "tests/domain/test_inputs.py::test_a_type_that_nobody_has_heard_of_is_named",
        (f"{CONTROLPLANE}/domain/inputs.py", "    except ValidationError as error:\n",
         "    except ValidationError as error:\n        if error.errors()[0][\"type\"] == "
         "\"union_tag_invalid\":\n            return \"user.message\", {}\n"),
    ),
    protection(
        "a message has a limit",
        "tests/domain/test_inputs.py::test_an_event_over_a_megabyte_says_what_to_do",
        (f"{CONTROLPLANE}/domain/inputs.py", "if size > MAX_EVENT_BYTES:", "if False:"),
    ),
)  # fmt: skip
