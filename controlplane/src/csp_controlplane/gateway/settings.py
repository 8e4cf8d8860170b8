"""Settings of the gateway."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, BaseModel, Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class ModelOffer(BaseModel):
    """A model that the page offers. The model proxy decides what is allowed."""

    id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    context_window: int = Field(200_000, ge=1000, description="In tokens.")


class GatewaySettings(BaseSettings):
    """The process that browsers and API clients talk to. Sizes are in bytes."""

    model_config = SettingsConfigDict(env_prefix="CSP_GATEWAY_", frozen=True, populate_by_name=True)

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8400, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    metrics_host: str = Field("127.0.0.1", description="Address of /metrics.")
    metrics_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port of /metrics, for Prometheus only; 0 serves none. Several gateways of "
        "`csp up` take this port and the next ones.",
    )
    id: str = Field(
        default_factory=socket.gethostname,
        description="Name of this gateway among its siblings. Default: the host's name.",
    )
    migrate: bool = Field(
        True, description="Bring the database to the newest schema before serving."
    )
    shutdown_seconds: int = Field(
        5, ge=1, le=300, description="What open requests get to finish after SIGTERM."
    )
    signing_key_file: Path = Field(
        validation_alias=AliasChoices("CSP_SIGNING_KEY_FILE", "signing_key_file"),
        description="JWK file of the private key that signs tokens for workers.",
    )
    runtime: Literal["local", "kubernetes"] = Field(
        "local",
        validation_alias=AliasChoices("CSP_RUNTIME", "runtime"),
        description="What runs workers: local is the supervisor of `csp up`, kubernetes the "
        "operator of the chart.",
    )
    supervisor_socket: Path | None = Field(
        None,
        validation_alias=AliasChoices("CSP_SUPERVISOR_SOCKET", "supervisor_socket"),
        description="Unix socket of the supervisor, for the local runtime.",
    )
    public_url: str | None = Field(
        None,
        validation_alias=AliasChoices("CSP_PUBLIC_URL", "public_url"),
        description="Address under which browsers reach the gateway, e.g. https://csp.example.org. "
        "Decides about secure cookies and which Origin may write. Empty: as the request names it.",
    )
    allowed_origins: list[str] = Field(
        default_factory=list,
        description="Further origins whose pages may act for a signed-in user, as a JSON list.",
    )
    static_dir: Path | None = Field(
        None,
        validation_alias=AliasChoices("CSP_STATIC_DIR", "static_dir"),
        description="Directory of the built page.",
    )
    scripted_model: bool = Field(
        False,
        validation_alias=AliasChoices("CSP_SCRIPTED_MODEL", "scripted_model"),
        description="Answers come from the scripted model: the page shows a banner.",
    )
    sign_in_days: int = Field(
        30, ge=1, le=365, description="How long a browser stays signed in, in days."
    )
    json_bytes: int = Field(
        2 * 1024**2, ge=1024, description="Largest body of a request that is not an upload."
    )
    upload_bytes: int = Field(25 * 1024**2, ge=1024, description="Largest uploaded file.")
    import_bytes: int = Field(
        256 * 1024**2, ge=1024, description="Largest session that may be imported from a file."
    )
    message_bytes: int = Field(
        2 * 1024**2, ge=1024, description="Largest message that a client may send on a WebSocket."
    )
    writes_per_minute: int = Field(
        3000, ge=1, description="Changing requests that one user may make per minute."
    )
    sign_in_failures: int = Field(
        10, ge=1, description="Wrong passwords for one address within 15 minutes, then it waits."
    )
    models: list[ModelOffer] = Field(
        default_factory=lambda: [
            ModelOffer(id="claude-opus-5-5", name="Claude Opus 5.5", context_window=200_000),
            ModelOffer(id="claude-sonnet-5-5", name="Claude Sonnet 5.5", context_window=200_000),
            ModelOffer(id="claude-haiku-5-5", name="Claude Haiku 5.5", context_window=200_000),
        ],
        min_length=1,
        description="Models that the page offers, the default first, as a JSON list of "
        '{"id", "name", "context_window"}.',
    )

    @field_validator("public_url")
    @classmethod
    def _is_origin(cls, value: str | None) -> str | None:
        if not value:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
            raise ValueError("CSP_PUBLIC_URL must be an origin such as https://csp.example.org")
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def secure_cookies(self) -> bool:
        return bool(self.public_url and self.public_url.startswith("https://"))

    @property
    def default_model(self) -> str:
        """What agents use that name no model."""
        return self.models[0].id
