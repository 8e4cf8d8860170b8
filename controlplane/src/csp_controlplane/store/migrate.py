"""Brings a database to the newest schema. Forward only; safe to run from several replicas."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config


def migrate(url: str) -> None:
    """Applies what is missing, under an advisory lock.

    Blocks; call it from a thread. `url` is the migration role's postgresql:// address: that role
    owns the tables and may create roles.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = url
    command.upgrade(config, "head")
