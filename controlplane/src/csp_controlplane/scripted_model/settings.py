"""Settings of the scripted model."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ScriptedSettings(BaseSettings):
    """The scripted model, which answers when there is no API key."""

    model_config = SettingsConfigDict(
        env_prefix="CSP_SCRIPTED_", frozen=True, env_ignore_empty=True
    )

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(
        default=8403, ge=0, le=65535, description="Port to listen on; 0 picks a free one."
    )
    port_file: Path | None = Field(
        default=None, description="File into which the bound port is written once it listens."
    )
    api_key: str | None = Field(
        default=None, description="The only key that is accepted. Empty: any key is."
    )
    word_delay_ms: float = Field(
        default=18, ge=0, le=10_000, description="Pause between two words of an answer."
    )
    slow_seconds: float = Field(
        default=4, ge=0, le=600, description="Pause before the answer to a message that says slow."
    )
    stall_seconds: float = Field(
        default=90, ge=0, le=3600, description="How long a stream that stalls stays silent."
    )
    record_requests: int = Field(
        default=200,
        ge=0,
        le=10_000,
        description="How many of the last requests GET /_requests shows; 0 keeps none.",
    )
