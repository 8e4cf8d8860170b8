"""What a worker process is told from outside, read once and then removed from its environment.

Nothing here is about a session: that arrives with Bind. The CLI and its tools never see these
variables.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class WorkerSettings(BaseSettings):
    """Settings of `python -m csp_worker`."""

    model_config = SettingsConfigDict(env_prefix="CSP_WORKER_", frozen=True, extra="ignore")

    id: str = Field(
        min_length=1, description="This worker's name, unique for ever; tokens name it."
    )
    listen: str = Field(description="gRPC address: unix:/absolute/path.sock or host:port.")
    jwks_file: Path = Field(
        description="JSON key set of Ed25519 public keys that callers' tokens are signed with; "
        "read again when it changes."
    )
    home: Path = Field(
        description="The worker's own directory: CLI configuration, temporary files, spill file."
    )
    workspace_root: Path = Field(
        description="Directory in which a session's working directory <session id> is."
    )
    model_base_url: str = Field(description="Address of the model proxy.")
    agent_json: str = Field(
        "{}", description="Agent definition (JSON) to start the warm spare's CLI with."
    )
    cli_path: Path | None = Field(
        None, description="The CLI to run instead of the one bundled with the SDK."
    )
    prewarm: bool = Field(True, description="Start the CLI before a session is bound.")
    spill_bytes: int = Field(
        256 * 1024**2, ge=1024, description="Size of the file for unacknowledged facts."
    )
    memory_bytes: int = Field(
        8 * 1024**2, ge=0, description="Unacknowledged facts that are kept in memory before that."
    )
    max_retries: int = Field(3, ge=0, le=10, description="Retries of a model request by the CLI.")
    api_timeout_seconds: int = Field(
        600, ge=1, description="Longest wait for a model's answer to begin and to end."
    )
    stream_idle_seconds: int = Field(
        120, ge=1, description="A model's stream that is silent for so long counts as cut."
    )
    hook_ack_seconds: float = Field(
        60.0, gt=0, description="A tool call is refused when it was not durable within this time."
    )
    writer_silence_seconds: float = Field(
        5.0, gt=0, description="A writer that acknowledges nothing for so long loses its role."
    )
    grace_seconds: float = Field(
        20.0,
        ge=0,
        description="What a running turn gets to come to its end after SIGTERM; then it is "
        "interrupted. Less than what the process itself is given.",
    )
    files_seconds: float = Field(
        10.0,
        ge=0,
        description="What the files of the last turn get to be taken by a gateway before the "
        "worker ends. With the time for the turn, less than what the process itself is given.",
    )
    metrics_port: int = Field(
        0, ge=0, le=65535, description="Port for Prometheus; 0 serves no metrics."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Lowest level of log lines."
    )
    log_format: Literal["json", "console"] = Field("json", description="Form of log lines.")
