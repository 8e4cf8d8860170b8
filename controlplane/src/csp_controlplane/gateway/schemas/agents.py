"""Agents: what a client sends, what is stored as a definition, what is shown."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from csp_controlplane.gateway.schemas.common import (
    Answer,
    Metadata,
    MetadataPatch,
    Moment,
    Name,
    Request,
    Text,
)
from csp_controlplane.gateway.schemas.tools import McpName, Tool, standard_tools
from csp_crds.agent import AgentSpec, Effort

SystemPrompt = Annotated[Text, Field(max_length=100_000)]
Description = Annotated[Text, Field(max_length=2048)]


class UrlMcpServer(Request):
    """An MCP server that is reached by HTTP."""

    type: Literal["url"]
    name: McpName
    url: Annotated[Text, Field(pattern=r"^https?://", max_length=2048)]


class Skill(Request):
    """A skill that the worker image brings."""

    type: Literal["anthropic", "custom"]
    skill_id: Annotated[Text, Field(min_length=1, max_length=256)]
    version: Annotated[Text, Field(max_length=64)] | None = None


class EffortLevel(Request):
    """How hard the model thinks."""

    type: Effort


class ModelConfig(Request):
    """A model and how it is used."""

    id: Annotated[Text, Field(min_length=1, max_length=256)]
    effort: EffortLevel | None = None
    inference_geo: None = None
    speed: Literal["standard"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_effort(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("effort"), str):
            return {**value, "effort": {"type": value["effort"]}}
        return value


class ServiceAccount(Request):
    """The only identity with which agents run here."""

    type: Literal["service_account"] = "service_account"


def _without_mapped_fields(schema: dict[str, Any]) -> None:
    for name in ("model", "system_prompt"):
        schema.get("properties", {}).pop(name, None)


class AgentOptions(AgentSpec):
    """Everything that an agent can have beyond the fields above, under its own name.

    A field that is given here wins over what `tools`, `mcp_servers`, `skills` and `model` say;
    `permissions` and `mcp_servers` are added to theirs.
    """

    model_config = ConfigDict(json_schema_extra=_without_mapped_fields)

    @model_validator(mode="after")
    def _only_options(self) -> Self:
        for name, instead in (("model", "model"), ("system_prompt", "system")):
            if name in self.model_fields_set:
                raise ValueError(f"{name} is not an option: use the agent's field `{instead}`")
        return self

    def given(self) -> dict[str, Any]:
        """Only what was set, as JSON."""
        return self.model_dump(mode="json", exclude_unset=True)


class AgentDefinition(BaseModel):
    """One version of an agent as it is stored: nothing left out that was resolved."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: Name
    description: str | None = None
    model: ModelConfig | None = None
    system: str | None = None
    tools: list[Tool] = Field(default_factory=standard_tools)
    mcp_servers: list[UrlMcpServer] = Field(default_factory=list)
    skills: list[Skill] = Field(default_factory=list)
    metadata: dict[str, str] = Field(default_factory=dict)
    options: AgentOptions = Field(default_factory=AgentOptions)
    owner: str | None = None

    def stored(self) -> dict[str, Any]:
        """As JSON for the database."""
        body = self.model_dump(mode="json", exclude={"options"})
        return {**body, "options": self.options.given()}


class AgentFields(Request):
    """What creating and updating have in common."""

    model: Annotated[Text, Field(min_length=1, max_length=256)] | ModelConfig | None = Field(
        None, description="A model id or an object; the deployment's default if absent."
    )
    description: Description | None = None
    system: SystemPrompt | None = Field(None, description="The system prompt.")
    tools: list[Tool] | None = Field(
        None,
        max_length=64,
        description="Absent: all built-in tools; reading runs without asking, the rest asks.",
    )
    mcp_servers: list[UrlMcpServer] | None = Field(None, max_length=20)
    skills: list[Skill] | None = Field(None, max_length=64)
    execution_identity: ServiceAccount | None = None
    multiagent: None = Field(None, description="Not supported: use options.subagents.")
    options: AgentOptions | None = None

    @field_validator("tools", mode="before")
    @classmethod
    def _no_custom_tools(cls, value: Any) -> Any:
        for index, tool in enumerate(value if isinstance(value, list) else []):
            if isinstance(tool, dict) and tool.get("type") == "custom":
                raise ValueError(
                    f"[{index}]: tools that the client runs itself (type custom) are not "
                    "supported. Offer the tool through an MCP server instead."
                )
        return value

    @field_validator("multiagent", mode="before")
    @classmethod
    def _no_multiagent(cls, value: Any) -> Any:
        if value is not None:
            raise ValueError("not supported: describe helpers in options.subagents")
        return value


class AgentCreate(AgentFields):
    """A new agent."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Reviewer",
                    "model": "claude-sonnet-5-5",
                    "system": "You review pull requests.",
                    "tools": [
                        {
                            "type": "agent_toolset_20260401",
                            "default_config": {"permission_policy": {"type": "always_ask"}},
                            "configs": [
                                {"name": "read", "permission_policy": {"type": "always_allow"}}
                            ],
                        }
                    ],
                    "options": {"limits": {"turn_seconds": 600}},
                }
            ]
        }
    )

    name: Name
    metadata: Metadata = Field(default_factory=dict)


class AgentUpdate(AgentFields):
    """A new version: absent fields stay, given ones replace; null clears what can be empty."""

    name: Name | None = None
    metadata: MetadataPatch | None = None
    version: int | None = Field(
        None, ge=1, description="Refused with 409 unless this is the current version."
    )


class AgentParts(Answer):
    """What an agent consists of, with every default written out."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: Literal["agent"] = "agent"
    id: str = Field(examples=["agent_01K7Z0"])
    version: int
    name: str
    description: str | None
    model: ModelConfig
    system: str | None
    tools: list[Tool]
    mcp_servers: list[UrlMcpServer]
    skills: list[Skill]
    multiagent: None = None
    execution_identity: ServiceAccount = ServiceAccount()
    options: dict[str, Any] = Field(description="Ours: the fields of AgentOptions that are set.")


class AgentAnswer(AgentParts):
    """An agent, in the version that was asked for."""

    metadata: dict[str, str]
    owner: str | None = Field(description="Ours: who may change it, besides admins.")
    created_at: Moment
    updated_at: Moment
    archived_at: Moment | None
