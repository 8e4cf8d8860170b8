"""Sessions: one conversation with one agent."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator

from csp_controlplane.domain.inputs import Block, UserMessage
from csp_controlplane.domain.vocabulary import State
from csp_controlplane.gateway.schemas.agents import (
    AgentOptions,
    AgentParts,
    ModelConfig,
    Skill,
    SystemPrompt,
    UrlMcpServer,
)
from csp_controlplane.gateway.schemas.common import (
    Answer,
    Metadata,
    MetadataPatch,
    Moment,
    Request,
    Text,
)
from csp_controlplane.gateway.schemas.tools import Tool
from csp_crds.agent import PermissionMode

Status = Literal["rescheduling", "running", "idle", "terminated"]
Title = Annotated[Text, Field(max_length=500)]
ModelId = Annotated[Text, Field(min_length=1, max_length=256)]
Id = Annotated[Text, Field(min_length=1, max_length=128)]

STATUS_OF: dict[State, Status] = {
    "creating": "idle",
    "active": "idle",
    "running": "running",
    "paused": "idle",
    "completed": "terminated",
    "error": "rescheduling",
}
"""Our six states as the API's four. Running with an open question is idle."""


class AgentRef(Request):
    """An agent, in its newest version unless one is named."""

    type: Literal["agent"]
    id: Id
    version: int | None = Field(None, ge=1)


class AgentWithOverrides(Request):
    """An agent of which this session replaces parts."""

    type: Literal["agent_with_overrides"]
    id: Id
    version: int | None = Field(None, ge=1)
    model: ModelId | ModelConfig | None = None
    system: SystemPrompt | None = None
    tools: list[Tool] | None = Field(None, max_length=64)
    mcp_servers: list[UrlMcpServer] | None = Field(None, max_length=20)
    skills: list[Skill] | None = Field(None, max_length=64)
    options: AgentOptions | None = Field(None, description="Ours: replaces the fields it names.")


class SessionCreate(Request):
    """A new session."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "agent": "agent_01K7Z0",
                    "title": "Tidy the workspace",
                    "initial_events": [
                        {
                            "type": "user.message",
                            "content": [{"type": "text", "text": "What is in this folder?"}],
                        }
                    ],
                }
            ]
        }
    )

    agent: Id | Annotated[AgentRef | AgentWithOverrides, Field(discriminator="type")] | None = (
        Field(None, description="Absent: the tenant's first agent.")
    )
    environment_id: Id | None = Field(None, description="Absent: the tenant's first environment.")
    title: Title | None = Field(None, description="Absent: made from the first message.")
    metadata: Metadata = Field(default_factory=dict)
    initial_events: list[UserMessage] | None = Field(
        None, max_length=50, description="Messages to begin with."
    )
    model: ModelId | None = Field(None, description="Ours: replaces the agent's model.")
    permission_mode: PermissionMode | None = Field(
        None, description="Ours: replaces the agent's permission mode."
    )
    resources: list[Any] | None = Field(None, description="Not supported: send files instead.")
    vault_ids: list[str] | None = Field(None, description="Not supported.")
    budget: None = Field(None, description="Not supported.")

    @field_validator("resources", "vault_ids", "budget", mode="before")
    @classmethod
    def _unsupported(cls, value: Any) -> Any:
        if value:
            raise ValueError("not supported here: leave it out")
        return None


class SessionUpdate(Request):
    """Absent fields stay. Model and permission mode apply from the next turn at the latest."""

    title: Title | None = None
    metadata: MetadataPatch | None = None
    model: ModelId | None = None
    permission_mode: PermissionMode | None = None
    agent: None = Field(None, description="Not supported: a session keeps its agent's tools.")
    vault_ids: list[str] | None = None
    budget: None = None

    @field_validator("agent", "vault_ids", "budget", mode="before")
    @classmethod
    def _unsupported(cls, value: Any) -> Any:
        if value:
            raise ValueError("not supported here: leave it out")
        return None


class CacheCreation(Answer):
    """Tokens written to the prompt cache, by how long they stay."""

    ephemeral_5m_input_tokens: int
    ephemeral_1h_input_tokens: int


class Money(Answer):
    """An amount in minor units: "50" is fifty cents."""

    amount: str
    currency: Literal["USD"] = "USD"


class Usage(Answer):
    """What the session has used so far."""

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int
    cache_creation: CacheCreation
    list_cost: Money


class Stats(Answer):
    """Times in seconds."""

    duration_seconds: float


class QueuedMessage(Answer):
    """A message that waits for the running turn to end."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: str
    client_id: str | None = None
    seq: int | None = Field(None, description="Absent in lists.")
    content: list[Block] | None = Field(None, description="Absent in lists.")


class SessionAnswer(Answer):
    """A session: Anthropic's fields, then ours from `state` on."""

    type: Literal["session"] = "session"
    id: str = Field(examples=["sesn_01K7Z0"])
    agent: AgentParts = Field(description="The agent as it was when the session began.")
    environment_id: str
    title: str | None
    metadata: dict[str, str]
    status: Status
    usage: Usage
    stats: Stats
    budget: None = None
    deployment_id: None = None
    outcome_evaluations: list[Any]
    resources: list[Any]
    vault_ids: list[str]
    created_at: Moment
    updated_at: Moment
    archived_at: Moment | None
    state: State = Field(description="Ours: the finer state behind `status`.")
    seq: int = Field(description="Ours: seq of the newest event.")
    owner: str = Field(description="Ours: id of the user whose session it is.")
    model: str | None = Field(description="Ours: the model in use; null is the default.")
    permission_mode: str = Field(description="Ours.")
    permission_modes: list[str] = Field(
        description="Ours: the permission modes that the session can be switched to."
    )
    queue: list[QueuedMessage] = Field(description="Ours: messages that wait.")
    pending: list[str] = Field(description="Ours: ids of tool uses that wait for an answer.")
    cost_usd: float = Field(description="Ours: what the model requests cost so far.")
    last_event_at: Moment = Field(description="Ours.")
