"""Rules of a worker that need no process: what is judged, cut and kept out in memory."""

from __future__ import annotations

from support.protections import WORKER, protection

RULES = (
    protection(
        "a token expires",
        "tests/worker/test_auth.py::test_a_bad_token_is_refused[expired]",
        (f"{WORKER}/auth.py", "if expires + LEEWAY_SECONDS <= now:", "if False:"),
    ),
    protection(
        "a token lives a minute at most",
        "tests/worker/test_auth.py::test_a_bad_token_is_refused[long]",
        (f"{WORKER}/auth.py", "if expires - issued > MAX_LIFE_SECONDS:", "if False:"),
    ),
    protection(
        "a token of the future is none",
        "tests/worker/test_auth.py::test_a_bad_token_is_refused[future]",
        (f"{WORKER}/auth.py", "if issued - LEEWAY_SECONDS > now:", "if False:"),
    ),
    protection(
        "a token is signed by the control plane",
        "tests/worker/test_auth.py::test_a_bad_token_is_refused[forged]",
        (
            f"{WORKER}/auth.py",
            '"verify_exp": False,',
            '"verify_signature": False, "verify_exp": False,',
        ),
    ),
    protection(
        "a token is for this worker",
        "tests/worker/test_auth.py::test_a_bad_token_is_refused[audience]",
        (f"{WORKER}/auth.py", '"verify_exp": False,', '"verify_aud": False, "verify_exp": False,'),
    ),
    protection(
        "a token comes from the control plane",
        "tests/worker/test_auth.py::test_a_bad_token_is_refused[issuer]",
        (f"{WORKER}/auth.py", "issuer=ISSUER,", ""),
    ),
    protection(
        "a refusal is lifted by no mode",
        "tests/worker/test_policy.py::test_nothing_lifts_a_refusal",
        (
            f"{WORKER}/policy.py",
            'if verdict.permission == "deny":\n            return verdict',
            "if False:\n            return verdict",
        ),
    ),
    protection(
        "a worker without a session runs no tool",
        "tests/worker/test_hooks.py::test_a_worker_without_a_session_runs_no_tool",
        (
            f"{WORKER}/hooks.py",
            '_hook_answer(Verdict("deny", NOT_BOUND))',
            '_hook_answer(Verdict("allow", NOT_BOUND))',
        ),
    ),
    protection(
        "no settings file is read",
        "tests/worker/test_options.py::test_no_settings_file_of_the_host_is_read",
        (f"{WORKER}/options.py", "setting_sources=[],", "setting_sources=None,"),
    ),
    protection(
        "no other MCP server is started",
        "tests/worker/test_options.py::test_only_the_definitions_mcp_servers_are_started",
        (f"{WORKER}/options.py", "strict_mcp_config=True", "strict_mcp_config=False"),
    ),
    protection(
        "half surrogates become replacement characters",
        "tests/worker/test_output.py::test_lone_surrogates_become_replacement_characters",
        (
            f"{WORKER}/text.py",
            "    except UnicodeEncodeError:\n",
            "    except UnicodeEncodeError:\n        return text\n",
        ),
    ),
    protection(
        "long output is cut",
        "tests/worker/test_output.py::test_long_text_keeps_its_head_and_its_tail",
        (f"{WORKER}/text.py", "if len(raw) <= limit:", "if True:"),
    ),
    protection(
        "an event is no larger than the log takes",
        "tests/worker/test_output.py::test_no_event_is_larger_than_the_log_takes",
        (f"{WORKER}/event.py", "EVENT_LIMIT = 1_000_000", "EVENT_LIMIT = 10**9"),
    ),
    protection(
        "a worker ends with its parent",
        "tests/worker/test_process.py::test_a_worker_that_protects_itself[ends-with-its-parent]",
        (
            f"{WORKER}/process.py",
            "told = kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGTERM)",
            "told = True",
        ),
    ),
    protection(
        "a worker adopts orphans",
        "tests/worker/test_process.py::test_a_worker_that_protects_itself[adopts-orphans]",
        (f"{WORKER}/process.py", "kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)", "pass"),
    ),
    protection(
        "a worker is closed to its own user",
        "tests/worker/test_process.py::test_a_worker_that_protects_itself[is-closed]",
        (f"{WORKER}/process.py", "kernel.prctl(kernel.PR_SET_DUMPABLE, 0)", "pass"),
    ),
    protection(
        "a worker's life has a limit",
        "tests/worker/test_session_end.py::test_a_session_ends_at_its_cap_and_says_so",
        (f"{WORKER}/session.py", 'self._own(self._cap(), "session-cap")', "pass"),
    ),
    protection(
        "paths stay in the workspace",
        "tests/worker/test_files.py::test_paths_to_the_outside_are_not_there",
        (f"{WORKER}/files.py", "    if not _is_below(root, target):\n", "    if False:\n"),
    ),
    protection(
        "links to the outside are not shown",
        "tests/worker/test_files.py::test_links_are_followed_inside_only",
        (f"{WORKER}/files.py", "if entry.is_symlink() and not", "if False and not"),
    ),
)
