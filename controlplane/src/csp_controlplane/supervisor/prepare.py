"""Brings the database to the newest schema, in a process of its own that ends.

In its own process because it needs libraries that nothing else does and blocks. What it has to say
is the last line of its log; its exit code is that of `csp up` when it fails.
"""

from __future__ import annotations

import asyncio
import sys

import asyncpg
import structlog
from alembic.util.exc import CommandError as AlembicError
from sqlalchemy.exc import SQLAlchemyError

from csp_controlplane.logging_setup import configure_logging
from csp_controlplane.settings import DatabaseSettings
from csp_controlplane.store.migrate import migrate
from csp_controlplane.supervisor.access import OwnerAccess
from csp_controlplane.supervisor.errors import ExitCode

_log = structlog.get_logger(__name__)


def main() -> int:
    """The process's entry."""
    configure_logging("prepare")
    settings = DatabaseSettings()
    try:
        migrate(settings.migrations())
        asyncio.run(_ensure_owner(settings.url.get_secret_value()))
    except AlembicError as error:
        _log.debug("migration refused", error=str(error))
        return _fail(
            "The database was written by a newer csp than this one: install that version, or "
            "restore a backup made before the upgrade."
        )
    except asyncpg.InvalidCatalogNameError as error:
        return _fail(f"The database server has no such database ({error}): create it first.")
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        return _fail(f"The database refuses this user ({error}): correct CSP_DATABASE_URL.")
    except (OSError, SQLAlchemyError, asyncpg.PostgresError) as error:
        _log.warning("database failed", error=repr(error))
        cause = str(getattr(error, "orig", None) or error).splitlines()[0]
        return _fail(
            f"The database cannot be used ({cause}): check CSP_DATABASE_URL, that the server runs "
            "and that the user may create roles and tables."
        )
    _log.info("database is ready")
    return ExitCode.OK


async def _ensure_owner(url: str) -> None:
    async with OwnerAccess.open(url) as access:
        await access.ensure_owner()


def _fail(sentence: str) -> int:
    _log.error(sentence)
    return ExitCode.DATABASE


if __name__ == "__main__":
    sys.exit(main())
