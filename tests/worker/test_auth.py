"""Tokens of callers: each thing that is wrong with one is enough, and alone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from csp_worker.auth import Authenticator, Caller, Refused
from support.worker_process import Signer

WORKER = "wrkr_1"
WRONG: dict[str, dict[str, Any]] = {
    "expired": {"iat": -40, "exp": -10},
    "long": {"exp": 3600},
    "future": {"iat": 30, "exp": 60},
    "audience": {"aud": "wrkr_other"},
    "issuer": {"iss": "somebody"},
    "session": {"sid": 7},
    "epoch": {"epoch": "1"},
}


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(tmp_path / "jwks.json")


def checked(signer: Signer, token: str) -> Caller:
    return Authenticator(WORKER, signer.path, time.time).check(f"Bearer {token}")


def test_a_good_token_names_its_session_and_epoch(signer: Signer) -> None:
    assert checked(signer, signer.token(WORKER, "sesn_1", 3)) == Caller("sesn_1", 3)


@pytest.mark.parametrize("what", [*WRONG, "forged"])
def test_a_bad_token_is_refused(signer: Signer, tmp_path: Path, what: str) -> None:
    now = int(time.time())
    claims = {
        name: now + value if name in ("iat", "exp") else value
        for name, value in WRONG.get(what, {}).items()
    }
    source = Signer(tmp_path / "another.json") if what == "forged" else signer
    with pytest.raises(Refused):
        checked(signer, source.token(WORKER, "sesn_1", 3, **claims))


def test_a_token_of_an_unknown_key_is_refused(signer: Signer, tmp_path: Path) -> None:
    other = Signer(tmp_path / "another.json", "other")
    with pytest.raises(Refused, match="unknown key"):
        checked(signer, other.token(WORKER, "sesn_1", 3))


def test_a_token_is_remembered_beyond_its_leeway(signer: Signer) -> None:
    now = time.time()
    auth = Authenticator(WORKER, signer.path, lambda: now)
    token = f"Bearer {signer.token(WORKER, 'sesn_1', 3)}"
    auth.check(token)
    now += 34
    with pytest.raises(Refused, match="used before"):
        auth.check(token)
    now += 2
    with pytest.raises(Refused, match="expired"):
        auth.check(token)
