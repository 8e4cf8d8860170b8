"""Anthropic's own client, told nothing but our address, with its answers checked strictly."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anthropic
import pytest
from anthropic import AsyncAnthropic

from support.gateway_process import Person


@pytest.fixture
async def client(admin: Person) -> AsyncIterator[AsyncAnthropic]:
    """Every answer must be valid for the client's models, not only readable."""
    async with AsyncAnthropic(
        api_key=admin.key,
        base_url=f"{admin.url}/api",
        max_retries=0,
        _strict_response_validation=True,
    ) as client:
        yield client


async def test_agents_round_trip(client: AsyncAnthropic) -> None:
    made = await client.beta.agents.create(
        model={"id": "claude-opus-5-5", "effort": "high"},
        name="Reviewer",
        description="Reviews.",
        system="You review.",
        metadata={"team": "core"},
        mcp_servers=[{"type": "url", "name": "git", "url": "https://git.example/mcp"}],
        skills=[{"type": "anthropic", "skill_id": "pdf"}],
        tools=[
            {
                "type": "agent_toolset_20260401",
                "default_config": {"permission_policy": {"type": "always_ask"}},
                "configs": [
                    {"name": "bash", "permission_policy": {"type": "auto"}},
                    {"name": "web_fetch", "enabled": False},
                ],
            },
            {"type": "mcp_toolset", "mcp_server_name": "git", "configs": [{"name": "push"}]},
        ],
    )
    assert made.type == "agent"
    assert made.model.id == "claude-opus-5-5"
    assert made.model.effort is not None
    assert made.model.effort.type == "high"
    built_in, mcp = made.tools
    assert built_in.type == "agent_toolset_20260401"
    assert built_in.default_config.permission_policy.type == "always_ask"
    assert {config.name: config.enabled for config in built_in.configs} == {
        "bash": True,
        "web_fetch": False,
    }
    assert mcp.type == "mcp_toolset"
    assert mcp.default_config.permission_policy.type == "always_ask"
    assert made.skills[0].version == "latest"

    same = await client.beta.agents.retrieve(made.id)
    assert same == made
    newer = await client.beta.agents.update(made.id, version=1, system=None, name="Critic")
    assert (newer.version, newer.system, newer.name) == (2, None, "Critic")
    with pytest.raises(anthropic.ConflictError):
        await client.beta.agents.update(made.id, version=1, name="Stale")
    versions = [agent.version async for agent in client.beta.agents.versions.list(made.id, limit=1)]
    assert versions == [2, 1]
    listed = [agent.id async for agent in client.beta.agents.list(limit=1)]
    assert listed[0] == made.id
    assert len(listed) == 2
    assert (await client.beta.agents.archive(made.id)).archived_at is not None


async def test_what_an_agent_leaves_out_is_resolved(client: AsyncAnthropic) -> None:
    made = await client.beta.agents.create(model="claude-haiku-5-5", name="Small")
    (toolset,) = made.tools
    assert toolset.type == "agent_toolset_20260401"
    assert made.execution_identity.type == "service_account"
    assert made.multiagent is None
    explicit = await client.beta.agents.create(
        model="claude-haiku-5-5", name="Explicit", tools=[{"type": "agent_toolset_20260401"}]
    )
    (toolset,) = explicit.tools
    assert toolset.type == "agent_toolset_20260401"
    assert toolset.default_config.permission_policy.type == "always_allow"


async def test_environments_round_trip(client: AsyncAnthropic) -> None:
    made = await client.beta.environments.create(
        name="e", config={"type": "cloud", "networking": {"type": "unrestricted"}}
    )
    assert made.config.type == "cloud"
    hosted = await client.beta.environments.create(name="h", config={"type": "self_hosted"})
    assert hosted.config.type == "self_hosted"
    assert (await client.beta.environments.retrieve(made.id)).name == "e"
    changed = await client.beta.environments.update(made.id, description="d", metadata={"a": "b"})
    assert (changed.description, changed.metadata) == ("d", {"a": "b"})
    assert len([each async for each in client.beta.environments.list(limit=1)]) == 3
    assert (await client.beta.environments.archive(made.id)).archived_at is not None
    assert (await client.beta.environments.delete(made.id)).type == "environment_deleted"


async def test_files_round_trip(client: AsyncAnthropic) -> None:
    made = await client.beta.files.upload(file=("notes.txt", b"hello", "text/plain"))
    assert (made.filename, made.mime_type, made.size_bytes) == ("notes.txt", "text/plain", 5)
    assert (await client.beta.files.retrieve_metadata(made.id)).id == made.id
    content = await client.beta.files.download(made.id)
    assert await content.read() == b"hello"
    assert [file.id async for file in client.beta.files.list()] == [made.id]
    assert (await client.beta.files.delete(made.id)).type == "file_deleted"
    with pytest.raises(anthropic.NotFoundError):
        await client.beta.files.retrieve_metadata(made.id)


async def test_sessions_round_trip(client: AsyncAnthropic) -> None:
    agent = await client.beta.agents.create(model="claude-haiku-5-5", name="a")
    environment = await client.beta.environments.create(name="e")
    made = await client.beta.sessions.create(
        agent=agent.id, environment_id=environment.id, title="T", metadata={"a": "b"}
    )
    assert (made.type, made.title, made.metadata) == ("session", "T", {"a": "b"})
    assert (made.agent.id, made.agent.version) == (agent.id, 1)
    assert made.usage.list_cost is not None
    changed = await client.beta.sessions.update(made.id, title="U", metadata={"a": None, "c": "d"})
    assert (changed.title, changed.metadata) == ("U", {"c": "d"})
    replaced = await client.beta.sessions.create(
        agent={
            "type": "agent_with_overrides",
            "id": agent.id,
            "version": 1,
            "model": "claude-opus-5-5",
            "system": "Other.",
        },
        environment_id=environment.id,
    )
    assert (replaced.agent.model.id, replaced.agent.system) == ("claude-opus-5-5", "Other.")
    pinned = await client.beta.sessions.create(
        agent={"type": "agent", "id": agent.id, "version": 1}, environment_id=environment.id
    )
    listed = [each.id async for each in client.beta.sessions.list(limit=2)]
    assert listed == [pinned.id, replaced.id, made.id]
    listed = [each.id async for each in client.beta.sessions.list(order="asc", agent_id=agent.id)]
    assert listed == [made.id, replaced.id, pinned.id]
    assert [each.id async for each in client.beta.sessions.list(statuses=["terminated"])] == []
    sent = await client.beta.sessions.events.send(
        made.id,
        events=[{"type": "user.message", "content": [{"type": "text", "text": "hello"}]}],
    )
    assert sent.data is not None
    assert [event.type for event in sent.data] == ["user.message"]
    found = [
        event.type
        async for event in client.beta.sessions.events.list(
            made.id, limit=1, order="desc", types=["user.message"]
        )
    ]
    assert found == ["user.message"]


async def test_refusals_are_the_clients_own_errors(client: AsyncAnthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as missing:
        await client.beta.agents.retrieve("agent_none")
    assert "agent_none" in str(missing.value)
    assert missing.value.request_id
    with pytest.raises(anthropic.BadRequestError):
        await client.beta.sessions.create(agent="agent_1", environment_id="e", vault_ids=["v"])
    with pytest.raises(anthropic.AuthenticationError):
        await client.with_options(api_key="csp_wrong").beta.agents.retrieve("agent_none")
