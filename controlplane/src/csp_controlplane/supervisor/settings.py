"""Settings of the local installation: where its data lies and how many workers it keeps."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs
import psutil
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

MEMORY_PER_WORKER = 300 * 1024**2
"""Bytes: what an active worker and its CLI take."""


class DataSettings(BaseSettings):
    """Where a local installation keeps everything."""

    model_config = SettingsConfigDict(env_prefix="CSP_DATA_", frozen=True)

    dir: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("csp", appauthor=False)),
        description="Directory of a local installation: database, keys, workspaces, logs. "
        "Default: the user's data directory.",
    )


class SupervisorSettings(BaseSettings):
    """How `csp up` runs its parts. Times are in seconds."""

    model_config = SettingsConfigDict(env_prefix="CSP_SUPERVISOR_", frozen=True)

    warm: int = Field(
        2, ge=0, le=100, description="Warm spares that are kept for the default kind of agent."
    )
    warm_total: int = Field(
        4, ge=0, le=200, description="Warm spares of all kinds together, at most."
    )
    warm_recent: float = Field(
        1800.0,
        gt=0,
        description="A kind of agent that was used so recently gets a warm spare as well.",
    )
    parallel_starts: int = Field(
        default_factory=lambda: max(1, (os.cpu_count() or 1) // 2),
        ge=1,
        description="Spares that start at the same time. Default: half of the processors.",
    )
    refill_delay: float = Field(
        1.0,
        ge=0,
        description="How long the place of a spare that a session took stays empty: starting the "
        "next one takes processor time that the session's first answer would miss.",
    )
    max_workers: int = Field(
        default_factory=lambda: max(4, psutil.virtual_memory().total // MEMORY_PER_WORKER),
        ge=1,
        description="Workers at the same time, spares included. Default: as the memory allows, "
        "300 MB each.",
    )
    start_deadline: float = Field(
        60.0,
        gt=0,
        description="A worker that is not ready after so long has failed. Where more start than "
        "there are processors, each gets as much longer.",
    )
    stop_deadline: float = Field(
        5.0, gt=0, description="What a worker gets to end in order before it is killed."
    )
    min_free_bytes: int = Field(
        512 * 1024**2,
        ge=0,
        description="Free space that the data directory's disk must have at the start, in bytes.",
    )
