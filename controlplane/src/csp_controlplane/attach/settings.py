"""Settings of the core: how long things may take and how much may wait."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class CoreSettings(BaseSettings):
    """Times are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix="CSP_SESSIONS_", frozen=True)

    idle_timeout: float = Field(
        1800.0, gt=0, description="A session without use for so long gives its worker back."
    )
    lease: float = Field(
        6.0, gt=1, description="How long a gateway's duty for a session outlives the gateway."
    )
    poll: float = Field(
        1.0, gt=0, description="How often a gateway looks for growth that no message announced."
    )
    bind_deadline: float = Field(60.0, gt=0, description="Longest wait for a worker.")
    worker_silence: float = Field(
        10.0, gt=0, description="A worker that is unreachable for so long is replaced."
    )
    workspace_bytes: int = Field(
        64 * 1024 * 1024,
        ge=0,
        description="What is kept of a working directory, of all files together; beyond it the "
        "largest are left out. 0 keeps none.",
    )
    workspace_file_bytes: int = Field(
        32 * 1024 * 1024, ge=0, description="A larger file of a working directory is not kept."
    )
    workspace_exclude: tuple[str, ...] = Field(
        ("node_modules", ".venv", "venv", "__pycache__", ".tox", ".nox", ".gradle", ".*_cache"),
        description="Names that are not kept, as JSON: what can be made again. Directories with a "
        "CACHEDIR.TAG are not kept either.",
    )
    workspace_seconds: float = Field(
        60.0, gt=0, description="What keeping or bringing back a working directory may take."
    )
    retention_days: float = Field(
        0.0,
        ge=0,
        description="A session in which nothing has happened for so many days is deleted with its "
        "log, transcript and files; 0 keeps sessions until somebody deletes them.",
    )
    subscriber_bytes: int = Field(
        8 * 1024 * 1024, gt=0, description="What may wait for one slow client before it is closed."
    )
