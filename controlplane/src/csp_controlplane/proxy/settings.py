"""Settings of the model proxy."""

from __future__ import annotations

from typing import Annotated

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class ProxySettings(BaseSettings):
    """The model proxy, which holds the API key and counts the cost."""

    model_config = SettingsConfigDict(
        env_prefix="CSP_PROXY_", frozen=True, populate_by_name=True, env_ignore_empty=True
    )

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(
        default=8402, ge=0, le=65535, description="Port to listen on; 0 picks a free one."
    )
    metrics_host: str = Field(default="127.0.0.1", description="Address of /metrics.")
    metrics_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Port of /metrics, for Prometheus only; 0 serves no metrics.",
    )
    upstream_url: str = Field(
        default="https://api.anthropic.com",
        description="Where the Messages API is: the real one, or the scripted model.",
    )
    api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("CSP_PROXY_API_KEY", "ANTHROPIC_API_KEY"),
        description="Key for the Messages API. Empty: ANTHROPIC_API_KEY.",
    )
    models: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("claude-*",),
        description="Models that sessions may use, separated by commas; `*` stands for any text.",
    )
    max_body_bytes: int = Field(
        default=32 * 1024 * 1024, ge=1024, description="Largest request; the API's own limit."
    )
    max_in_flight: int = Field(
        default=1000, ge=1, description="Requests that one proxy serves at once."
    )
    connect_seconds: float = Field(
        default=10, gt=0, description="How long connecting to the provider may take."
    )
    silence_seconds: float = Field(
        default=660, gt=0, description="How long the provider may send nothing."
    )
    breaker_failures: int = Field(
        default=5, ge=1, description="Failures of the provider that open the circuit breaker."
    )
    breaker_window_seconds: float = Field(
        default=60, gt=0, description="Time within which these failures must happen."
    )
    breaker_open_seconds: float = Field(
        default=15, gt=0, description="How long requests are held back before the next try."
    )
    database_seconds: float = Field(
        default=2, gt=0, description="How long a reservation waits for PostgreSQL."
    )
    turn_seconds: float = Field(
        default=10,
        gt=0,
        description="How long a request waits until the log has the beginning of its turn.",
    )
    offline_seconds: float = Field(
        default=60, ge=0, description="How long known sessions are served without PostgreSQL."
    )
    unsettled_queue: int = Field(
        default=10_000, ge=1, description="Costs kept in memory until PostgreSQL takes them."
    )
    reservation_minutes: float = Field(
        default=30, gt=0, description="After this a reservation is charged at its maximum."
    )
    sweep_seconds: float = Field(
        default=60, gt=0, description="Pause between two searches for such reservations."
    )
    shutdown_seconds: int = Field(
        default=30, ge=0, description="How long running streams may go on after SIGTERM."
    )

    @field_validator("models", mode="before")
    @classmethod
    def _separated_by_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @field_validator("upstream_url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("CSP_PROXY_UPSTREAM_URL must begin with http:// or https://")
        return value.rstrip("/")

    @field_validator("api_key")
    @classmethod
    def _is_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        key = value.get_secret_value().strip() if value else ""
        if not key.isascii() or not key.isprintable():
            raise ValueError("the API key has characters that no key has: copy it again")
        return SecretStr(key) if key else None
