"""Protections of the log and of what stands in the database."""

from __future__ import annotations

from support.protections import CONTROLPLANE, SCHEMA, protection

GROUPS = f"{CONTROLPLANE}/store/migrations/versions/0008_appends_together.sql"

STORE = (
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
