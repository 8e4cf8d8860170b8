"""Conditions: types, the reasons that programs may rely on, and the pure merge of a new state.

A condition's transition time moves only when its status changes, as the Kubernetes API conventions
ask; messages may change at any time and are for people.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from csp_crds.base import Model

Status = Literal["True", "False", "Unknown"]


class SessionCondition(StrEnum):
    """Condition types of an AgentSession."""

    # The operator's
    BOUND = "Bound"
    SUSPENDED = "Suspended"
    FINISHED = "Finished"
    # The control plane's
    ACCEPTED = "Accepted"
    READY = "Ready"
    TURN_ACTIVE = "TurnActive"
    AWAITING_APPROVAL = "AwaitingApproval"
    BUDGET_EXHAUSTED = "BudgetExhausted"


OPERATOR_CONDITIONS = (
    SessionCondition.BOUND,
    SessionCondition.SUSPENDED,
    SessionCondition.FINISHED,
)
CONTROL_PLANE_CONDITIONS = (
    SessionCondition.ACCEPTED,
    SessionCondition.READY,
    SessionCondition.TURN_ACTIVE,
    SessionCondition.AWAITING_APPROVAL,
    SessionCondition.BUDGET_EXHAUSTED,
)


class PoolCondition(StrEnum):
    """Condition types of an AgentPool."""

    AVAILABLE = "Available"
    PROGRESSING = "Progressing"
    UNSCHEDULABLE = "Unschedulable"


class Condition(Model):
    """One aspect of a resource's state, in the form that every Kubernetes tool knows."""

    type: str = Field(
        description="Name of the aspect.", min_length=1, max_length=316, pattern=r"^[A-Za-z]+$"
    )
    status: Status = Field(description="Whether it holds.")
    reason: str = Field(
        description="Why, in one word of CamelCase that programs may rely on.",
        min_length=1,
        max_length=1024,
        pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
    )
    message: str = Field("", description="Why, for a person.", max_length=32768)
    last_transition_time: datetime = Field(description="When the status changed last.")
    observed_generation: int | None = Field(
        None, ge=0, description="Generation of the spec that it was judged on."
    )


def find(conditions: Iterable[Condition], kind: str) -> Condition | None:
    """The condition of a type, if it is there."""
    return next((item for item in conditions if item.type == kind), None)


def is_true(conditions: Iterable[Condition], kind: str) -> bool:
    found = find(conditions, kind)
    return found is not None and found.status == "True"


def renewed(
    old: Condition | None,
    kind: str,
    status: Status,
    reason: str,
    message: str,
    now: datetime,
    generation: int | None = None,
) -> Condition:
    """The condition as it is to be written; keeps the transition time of an unchanged status."""
    same = old is not None and old.status == status
    return Condition(
        type=kind,
        status=status,
        reason=reason,
        message=message,
        last_transition_time=old.last_transition_time if same and old else now,
        observed_generation=generation,
    )
