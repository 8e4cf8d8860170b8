"""Protections of the model proxy: money, the key and the provider."""

from __future__ import annotations

from support.protections import CONTROLPLANE, SCHEMA, protection

BUDGET = f"{CONTROLPLANE}/store/migrations/versions/0006_early_requests.sql"

PROXY = (
    protection(
        "a handle ends with its epoch",
        "tests/model/test_proxy_access.py::test_handle_ends_with_its_epoch",
        (SCHEMA, "where b.handle_hash = p_hash and b.ended_at is null", "where b.handle_hash = "
         "p_hash"),
    ),
    protection(
        "a turn waits until the log has it",
        "tests/model/test_proxy_early.py::test_the_model_is_not_asked_before_the_log_has_the_turn",
        (f"{CONTROLPLANE}/proxy/accounts.py", "if found is None or not found.early:", "if True:"),
    ),
    protection(
        "models outside the list are refused",
        "tests/model/test_proxy_access.py::test_model_outside_the_list_is_refused",
        (f"{CONTROLPLANE}/proxy/calls.py", "if not any(fnmatchcase(model, pattern) for pattern in "
         "settings.models):", "if False:"),
    ),
    protection(
        "a budget ends",
        "tests/model/test_accounts.py::test_a_budget_is_overdrawn_by_one_request_at_most",
        (BUDGET, "r_refused := r_left <= 0;", "r_refused := false;"),
    ),
    protection(
        "a budget ends without the database, too",
        "tests/model/test_accounts.py"
        "::test_known_handle_is_served_from_memory_until_its_time_or_budget_ends",
        (f"{CONTROLPLANE}/proxy/accounts.py", "if known.left_microusd < maximum_microusd:",
         "if False:"),
    ),
    protection(
        "a handle is served without the database for a minute only",
        "tests/model/test_accounts.py"
        "::test_known_handle_is_served_from_memory_until_its_time_or_budget_ends",
        (f"{CONTROLPLANE}/proxy/accounts.py", "if known is None or self._clock() - "
         "known.confirmed_at > limit:", "if known is None:"),
    ),
    protection(
        "failures open the breaker",
        "tests/model/test_rules.py::test_five_failures_within_the_window_open_the_breaker",
        (f"{CONTROLPLANE}/proxy/breaker.py", "if len(self._failures) >= self.rules.failures and",
         "if False and"),
    ),
    protection(
        "an open breaker holds requests back",
        "tests/model/test_proxy_breaker.py"
        "::test_breaker_opens_after_five_failures_and_closes_after_a_good_probe",
        (f"{CONTROLPLANE}/proxy/guard.py", "if self._breaker.state(self._now()) is "
         "BreakerState.OPEN:", "if False:"),
        (f"{CONTROLPLANE}/proxy/guard.py", "if self._breaker.state(self._now()) is "
         "BreakerState.CLOSED:", "if True:"),
    ),
    protection(
        "one probe at a time",
        "tests/model/test_rules.py::test_one_probe_at_a_time_decides",
        (f"{CONTROLPLANE}/proxy/breaker.py", "if self.probing_until is not None and now < "
         "self.probing_until:", "if False:"),
    ),
)  # fmt: skip
