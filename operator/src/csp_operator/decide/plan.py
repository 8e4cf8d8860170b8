"""What goes into a decision about a session, and what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from csp_crds.conditions import Status
from csp_crds.session import Phase
from csp_operator.views import PodView, SessionView


@dataclass(frozen=True, slots=True)
class Knobs:
    """Of the operator's settings, what decides about sessions."""

    stable_s: float = 600.0
    turn_grace_s: float = 600.0
    idle_margin_s: float = 60.0


@dataclass(frozen=True, slots=True)
class SessionFacts:
    session: SessionView
    pods: Sequence[PodView]  # all that carry the session's uid
    now: datetime
    quiet_s: float  # for so long a control plane that is there has shown no activity
    known_gone: str | None = None  # uid of a named pod that the API server says is no more
    knobs: Knobs = Knobs()
    addresses: frozenset[str] | None = None  # that pods must know; None: nobody has asked yet


@dataclass(frozen=True, slots=True)
class Says:
    """A condition's status, reason and message."""

    status: Status
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """An Event for people."""

    type: str  # Normal or Warning
    reason: str
    message: str


ACTIVE = Says("False", "Active")
RUNS = Says("False", "Running")


@dataclass(frozen=True, slots=True)
class SessionPlan:
    phase: Phase
    bound: Says
    suspended: Says = ACTIVE
    finished: Says = RUNS
    pod: PodView | None = None  # what status.pod names
    rebinds: int = 0
    lost: bool = False  # the pod that the status names is lost, which has not been counted yet
    drop: tuple[tuple[PodView, str], ...] = ()  # with a value of metrics.DELETIONS
    acquire: bool = False
    check: bool = False  # ask the API server for the named pod before anything else
    pause: bool = False  # write the annotation that pauses
    remove: bool = False  # the resource itself
    look_again_s: float | None = None
    notes: tuple[Note, ...] = ()
