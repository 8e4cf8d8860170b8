"""Protections of a worker as a process: its callers, its tools, its limits."""

from __future__ import annotations

from support.protections import WORKER, protection

WORKERS = (
    protection(
        "a turn begins when the log has the end of the one before",
        "tests/protocol/test_one_turn_after_the_other.py"
        "::test_the_model_is_not_asked_for_the_next_message_before_the_log_has_the_end_of_the_turn",
        (f"{WORKER}/runner.py", "            await self._end_in_log()\n", ""),
    ),
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
        "input delivered twice is taken once",
        "tests/worker/test_gateways.py::test_input_delivered_by_two_gateways_is_taken_once",
        (f"{WORKER}/inputs.py", "if seq <= self.cursor:", "if False:"),
    ),
    protection(
        "a worker serves no caller of another session",
        "tests/worker/test_bind.py::test_another_session_is_refused_for_the_workers_whole_life",
        (f"{WORKER}/servicer.py", "if (caller.session_id, caller.epoch) != (bound.session_id, "
         "bound.epoch):", "if False:"),
    ),
    protection(
        "a token names the session and epoch that it binds",
        "tests/worker/test_bind.py::test_calls_without_a_good_token_are_refused",
        (f"{WORKER}/servicer.py", "if (caller.session_id, caller.epoch) != (request.session_id, "
         "request.epoch):", "if False:"),
    ),
    protection(
        "memory has a limit",
        "tests/worker/test_death.py::test_too_much_memory_is_said_and_the_session_goes_on",
        (f"{WORKER}/watchdog.py", "if cli is None or rss <= self._limit:", "if True:"),
    ),
    protection(
        "a turn has a limit",
        "tests/worker/test_death.py::test_a_turn_ends_at_its_time_limit",
        (f"{WORKER}/runner.py", "loop.call_later(self._turn_seconds,", "loop.call_later(86400,"),
    ),
    protection(
        "settings of the working directory have no say",
        "tests/worker/test_definition.py::test_settings_in_the_working_directory_have_no_say",
        (f"{WORKER}/options.py", "setting_sources=[],",
         'setting_sources=["user", "project", "local"],'),
    ),
    protection(
        "the guard ends with its worker",
        "tests/worker/test_death.py::test_nothing_survives_the_workers_sigkill",
        (f"{WORKER}/guard/__main__.py", "if not kernel.prctl(kernel.PR_SET_PDEATHSIG, "
         "signal.SIGHUP):", "if False:"),
    ),
    protection(
        "the guard adopts what its CLI leaves behind",
        "tests/worker/test_death.py"
        "::test_a_call_cut_off_by_the_death_of_the_cli_gets_a_result",
        (f"{WORKER}/guard/__main__.py", "kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)", "pass"),
    ),
    protection(
        "the guard ends what its CLI leaves behind",
        "tests/worker/test_death.py"
        "::test_a_call_cut_off_by_the_death_of_the_cli_gets_a_result",
        (f"{WORKER}/guard/__main__.py", "    status = _watch(child, parent)\n    _sweep()\n",
         "    status = _watch(child, parent)\n"),
    ),
    protection(
        "the CLI is closed to its own user",
        "tests/worker/test_death.py::test_the_cli_and_its_guard_are_closed_to_their_own_user",
        (f"{WORKER}/guard/__main__.py", "kernel.make_non_dumpable(child)",
         "kernel._libc().ptrace(17, child, None, None)"),
    ),
    protection(
        "the guard is closed to its own user",
        "tests/worker/test_death.py::test_the_cli_and_its_guard_are_closed_to_their_own_user",
        (f"{WORKER}/guard/__main__.py", "    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)\n", ""),
    ),
)  # fmt: skip
