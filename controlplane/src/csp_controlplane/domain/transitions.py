"""The states of a session and the only ways between them, as one ordered table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from csp_controlplane.domain.vocabulary import State

Trigger = Literal[
    "bound",
    "turn_started",
    "turn_ended",
    "worker_lost",
    "bind_failed",
    "paused",
    "rested",
    "finished",
]

ANY: Final[frozenset[State]] = frozenset({"creating", "active", "running", "paused", "error"})


@dataclass(frozen=True, slots=True)
class Rule:
    """From any of these states, this trigger leads to `to`."""

    sources: frozenset[State]
    trigger: Trigger
    to: State


RULES: Final[tuple[Rule, ...]] = (
    Rule(frozenset({"creating", "paused", "error", "active"}), "bound", "active"),
    Rule(frozenset({"active", "running"}), "turn_started", "running"),
    Rule(frozenset({"running"}), "turn_ended", "active"),
    Rule(frozenset({"creating", "active", "running", "error"}), "worker_lost", "error"),
    Rule(ANY, "bind_failed", "error"),
    Rule(frozenset({"active"}), "paused", "paused"),
    Rule(ANY, "rested", "paused"),
    Rule(ANY, "finished", "completed"),
)


class IllegalTransition(Exception):
    """The trigger has no rule in this state: the caller's view is stale or a peer misbehaves."""


def next_state(state: State, trigger: Trigger) -> State:
    """The state after the trigger. Raises IllegalTransition where no rule applies."""
    for rule in RULES:
        if rule.trigger == trigger and state in rule.sources:
            return rule.to
    raise IllegalTransition(f"a session that is {state} cannot take {trigger!r}")
