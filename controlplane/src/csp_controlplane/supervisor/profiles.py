"""What a spare may be told about the sessions it could serve: only what its CLI fixes at spawn.

A spare of a profile is handed to any session of that profile, of any tenant. So it is made from the
fields of the profile and nothing else of the definition that was seen first.
"""

from __future__ import annotations

from csp_crds.agent import AgentSpec, Limits


def spare_spec(spec: AgentSpec) -> AgentSpec | None:
    """A definition with the same spawn profile and nothing private, or None when that cannot be.

    MCP servers have addresses and credentials: their sessions take any spare and restart its CLI.
    """
    bare = AgentSpec(
        model=None,
        fallback_model=spec.fallback_model,
        tools=spec.tools,
        skills=spec.skills,
        output_schema=spec.output_schema,
        thinking=spec.thinking,
        betas=spec.betas,
        verbatim_prompts=spec.verbatim_prompts,
        limits=Limits(
            max_turns=spec.limits.max_turns, task_budget_tokens=spec.limits.task_budget_tokens
        ),
    )
    return bare if bare.spawn_profile() == spec.spawn_profile() else None
