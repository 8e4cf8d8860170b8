"""Passwords: argon2, slow on purpose, so hashing happens in a thread."""

from __future__ import annotations

import asyncio
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from csp_controlplane.errors import InvalidRequest

MIN_PASSWORD = 10
MAX_PASSWORD = 1000
_HASHER = PasswordHasher()


async def hash_password(password: str) -> str:
    """Raises InvalidRequest when it is too short to be worth hashing."""
    if len(password) < MIN_PASSWORD:
        raise InvalidRequest(f"password: at least {MIN_PASSWORD} characters are needed")
    if len(password) > MAX_PASSWORD:
        raise InvalidRequest(f"password: at most {MAX_PASSWORD} characters are possible")
    try:
        return await asyncio.to_thread(_HASHER.hash, password)
    except UnicodeEncodeError:
        raise InvalidRequest("password: the text is not valid Unicode") from None


async def verify_password(stored: str | None, password: str) -> bool:
    """False for a wrong password. Takes as long when nothing is stored."""
    return await asyncio.to_thread(_verify, stored, password)


def _verify(stored: str | None, password: str) -> bool:
    if len(password) > MAX_PASSWORD:
        return False
    try:
        if stored is None:
            # The work that a comparison takes, so that the time of the answer tells nothing.
            _HASHER.hash(secrets.token_urlsafe(16))
            return False
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False
