"""The process that outlives the supervisor by a moment, so that nothing else does.

`csp up` forks before it does anything: the parent stays as guardian, the child goes on as the
supervisor. When the supervisor dies without cleaning up, even by SIGKILL, the guardian adopts and
ends everything it had started. When the guardian dies, the supervisor gets SIGTERM and stops in
order. When both die at once, the kernel's parent-death signals end the children.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from csp_controlplane.supervisor import tree

GRACE_S = 1.5
"""For children that end by themselves at the supervisor's death, PostgreSQL above all."""

CLEAN_UP_S = 20.0

_ASKS_TO_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def fork_guardian(stop_deadline_s: float) -> None:
    """Returns in the child only. The parent exits with the child's code.

    `stop_deadline_s`: after SIGTERM the supervisor has this long before it is ended by force.
    """
    tree.become_subreaper()
    guardian = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    supervisor = os.fork()
    if supervisor:
        _guard(supervisor, stop_deadline_s)
    tree.signal_me_when_parent_dies(signal.SIGTERM)
    if os.getppid() != guardian:
        os._exit(1)
    tree.become_subreaper()
    # A group of its own, so that Ctrl-C comes by the guardian alone, once, like any other signal.
    os.setpgid(0, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)


def _guard(supervisor: int, stop_deadline_s: float) -> NoReturn:
    def forward(number: int, _frame: FrameType | None) -> None:
        os.kill(supervisor, number)
        signal.alarm(int(stop_deadline_s))

    def force(_number: int, _frame: FrameType | None) -> None:
        os.kill(supervisor, signal.SIGKILL)

    signal.signal(signal.SIGALRM, force)
    for number in _ASKS_TO_STOP:
        signal.signal(number, forward)
    _, status = os.waitpid(supervisor, 0)
    for number in (signal.SIGALRM, *_ASKS_TO_STOP):
        signal.signal(number, signal.SIG_IGN)
    signal.alarm(0)
    code = os.waitstatus_to_exitcode(status)
    forced = tree.end_all_children(GRACE_S, CLEAN_UP_S)
    if code < 0:
        name = signal.Signals(-code).name
        sys.stderr.write(
            f"csp was ended by {name} and could not stop in order; everything it had started "
            f"has been ended ({forced} by force). Start it again with `csp up`.\n"
        )
        sys.stderr.flush()
    os._exit(code if code >= 0 else 128 - code)
