"""Runs a migration's SQL file through the driver, so that a file may hold many statements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import op
from sqlalchemy.util import await_only


def run_sibling_sql(script: str) -> None:
    """Executes `<script>.sql` inside the migration's transaction."""
    sql = Path(script).with_suffix(".sql").read_text(encoding="utf-8")
    connection: Any = op.get_bind().connection.dbapi_connection
    await_only(connection.driver_connection.execute(sql))
