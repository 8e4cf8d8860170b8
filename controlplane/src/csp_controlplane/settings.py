"""Settings that several processes share: where the database and Redis are, and how to log.

Each domain has a `settings.py` of its own for the rest. All of them are built once, in a process's
entry, and passed on; nothing reads the environment later. The page docs/reference/settings.md is
generated from the descriptions here.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class DatabaseSettings(BaseSettings):
    """PostgreSQL, the only place where the truth is kept."""

    model_config = SettingsConfigDict(env_prefix="CSP_DATABASE_", frozen=True)

    url: SecretStr = Field(
        description="Address of the database, `postgresql://user:password@host:port/name`. The "
        "user must be allowed to become the role csp_app. `csp up` sets it to its own server."
    )
    migration_url: SecretStr | None = Field(
        default=None,
        description="Address with which migrations run: the user that owns the tables and may "
        "create roles. Empty: the same as CSP_DATABASE_URL.",
    )
    max_connections: int = Field(
        default=10,
        ge=1,
        le=1000,
        description="Connections that one process opens at most.",
    )

    @model_validator(mode="after")
    def _is_postgresql(self) -> DatabaseSettings:
        for name, value in (("URL", self.url), ("MIGRATION_URL", self.migration_url)):
            if value and not value.get_secret_value().startswith("postgresql://"):
                raise ValueError(f"CSP_DATABASE_{name} must begin with postgresql://")
        return self

    def migrations(self) -> str:
        """The address with which migrations run."""
        return (self.migration_url or self.url).get_secret_value()


class ObjectSettings(BaseSettings):
    """Where checkpoints of working directories lie."""

    model_config = SettingsConfigDict(env_prefix="CSP_OBJECTS_", frozen=True)

    url: str = Field(
        "database:",
        description="s3://bucket/prefix, file:///folder, or database: for a table. A bucket's "
        "address, region and credentials are read from AWS_ENDPOINT_URL, AWS_REGION, "
        "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, or from the pod's identity.",
    )


class RedisSettings(BaseSettings):
    """Redis or Valkey, which holds only what can be lost."""

    model_config = SettingsConfigDict(env_prefix="CSP_REDIS_", frozen=True)

    url: SecretStr = Field(
        description="Address of the server, `redis://`, `rediss://` or `unix://`. `csp up` sets "
        "it to its own server."
    )


class LogSettings(BaseSettings):
    """How a process logs. Logs go to standard error, one line an event."""

    model_config = SettingsConfigDict(env_prefix="CSP_LOG_", frozen=True)

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe level that is logged."
    )
    format: Literal["json", "console"] = Field(
        default="json", description="`json` for machines, `console` for people."
    )
