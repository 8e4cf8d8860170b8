"""Environments: where sessions run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from csp_controlplane.gateway.schemas.common import (
    Answer,
    Metadata,
    MetadataPatch,
    Moment,
    Name,
    Request,
    Text,
)

Description = Annotated[Text, Field(max_length=2048)]


class SelfHosted(Request):
    """The workers of this installation."""

    type: Literal["self_hosted"]
    pool: str | None = Field(
        None,
        pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
        description="AgentPool of its sessions, where csp runs on Kubernetes. Absent: the "
        "installation's own choice.",
    )

    def resolved(self) -> dict[str, Any]:
        return {"type": "self_hosted"} | ({"pool": self.pool} if self.pool else {})


class Unrestricted(Request):
    """Whatever the installation lets workers reach."""

    type: Literal["unrestricted"]


class Cloud(Request):
    """Anthropic's form. Here it means the same workers, so it cannot ask for more."""

    type: Literal["cloud"]
    networking: Unrestricted | None = None
    packages: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _only_what_holds(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        networking = value.get("networking")
        if isinstance(networking, dict) and networking.get("type") == "limited":
            raise ValueError(
                "networking of type limited is not possible: what workers reach is set for the "
                "whole installation"
            )
        packages = value.get("packages")
        if isinstance(packages, dict) and any(
            packages.get(name) for name in packages if name != "type"
        ):
            raise ValueError("packages are not possible: build them into the worker image")
        return value

    def resolved(self) -> dict[str, Any]:
        empty: dict[str, list[str]] = {
            name: [] for name in ("apt", "cargo", "gem", "go", "npm", "pip")
        }
        return {
            "type": "cloud",
            "networking": {"type": "unrestricted"},
            "packages": {"type": "packages", **empty},
        }


Config = Annotated[SelfHosted | Cloud, Field(discriminator="type")]
Scope = Literal["organization"]


class EnvironmentCreate(Request):
    """A new environment."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "local", "config": {"type": "self_hosted"}}]}
    )

    name: Name
    description: Description | None = None
    config: Config | None = Field(None, description="Absent: self_hosted.")
    metadata: Metadata = Field(default_factory=dict)
    scope: Scope | None = None


class EnvironmentUpdate(Request):
    """Absent fields stay."""

    name: Name | None = None
    description: Description | None = None
    config: Config | None = None
    metadata: MetadataPatch | None = None
    scope: Scope | None = None


class EnvironmentAnswer(Answer):
    """An environment."""

    type: Literal["environment"] = "environment"
    id: str = Field(examples=["env_01K7Z0"])
    name: str
    description: str | None
    config: dict[str, Any]
    metadata: dict[str, str]
    scope: Scope = "organization"
    created_at: Moment
    updated_at: Moment
    archived_at: Moment | None


def resolved_config(config: SelfHosted | Cloud | None) -> dict[str, Any]:
    """What is stored and shown."""
    return config.resolved() if config is not None else {"type": "self_hosted"}
