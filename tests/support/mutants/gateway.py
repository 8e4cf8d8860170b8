"""Protections at the doors: who comes in, and how much of what they bring is read."""

from __future__ import annotations

from support.protections import CONTROLPLANE, SCHEMA, protection

GATEWAY = (
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
        "a revoked key is refused",
        "tests/gateway/test_sign_in.py::test_a_revoked_key_is_refused_at_once",
        (SCHEMA, "k.hash = p_hash and k.revoked_at is null and", "k.hash = p_hash and"),
    ),
    protection(
        "an expired key is refused",
        "tests/gateway/test_sign_in.py::test_an_expired_key_is_refused",
        (SCHEMA, "and (k.expires_at is null or k.expires_at > now())", ""),
    ),
    protection(
        "guessing of passwords is slowed down",
        "tests/gateway/test_sign_in.py::test_wrong_passwords_are_throttled_even_the_right_one",
        (f"{CONTROLPLANE}/gateway/limits.py", "if by_email >= self._failures or by_client >= "
         "self._failures * 5:", "if False:"),
    ),
    protection(
        "a body that declares no length has a limit",
        "tests/gateway/test_errors.py::test_a_body_without_a_length_is_stopped_at_the_limit",
        (f"{CONTROLPLANE}/gateway/body_limit.py", "            if seen > limit:\n"
         "                raise", "            if False:\n                raise"),
        (f"{CONTROLPLANE}/gateway/body_limit.py", "        if seen > limit and not started:\n"
         "            await", "        if False:\n            await"),
        (f"{CONTROLPLANE}/gateway/body_limit.py", "            if seen > limit and not started:\n"
         "                return", "            if False:\n                return"),
    ),
    protection(
        "a message on the socket has a limit",
        "tests/gateway/test_socket.py::test_ten_megabytes_close_it",
        (f"{CONTROLPLANE}/gateway/server.py", "ws_max_size=settings.message_bytes",
         "ws_max_size=2**40"),
    ),
    protection(
        "a slow reader of server-sent events is dropped",
        "tests/gateway/test_process.py"
        "::test_a_reader_that_does_not_read_is_dropped_and_little_is_kept_for_it",
        (f"{CONTROLPLANE}/gateway/sse.py", "self._subscription.on_drop(dropped.set)", "pass"),
    ),
    protection(
        "text that no database takes is refused",
        "tests/gateway/test_errors.py::test_nul_and_half_surrogates_are_refused_not_stored",
        (f"{CONTROLPLANE}/gateway/schemas/common.py", "raise ValueError(\"the NUL character is not "
         "possible here\")", "pass"),
    ),
)  # fmt: skip
