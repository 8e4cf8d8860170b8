"""What the pool remembers: which kinds of agent are used, and which of their spares fail."""

from __future__ import annotations

from csp_controlplane.supervisor.profiles import spare_spec
from csp_controlplane.supervisor.restarts import Restarts
from csp_crds.agent import AgentSpec

KEPT_PROFILES = 200


class Demand:
    """Bounded memory, by spawn profile. Times are the loop's."""

    def __init__(self, default: AgentSpec) -> None:
        self.default_profile = default.spawn_profile()
        self.used_at: dict[str, float] = {}
        self.retry_at: dict[str, float] = {}
        self.last_error: dict[str, str] = {}
        self._specs = {self.default_profile: default}
        self._failures: dict[str, Restarts] = {}

    def spec(self, profile: str) -> AgentSpec:
        """What a spare of this profile is started with."""
        return self._specs[profile]

    def used(self, spec: AgentSpec, now: float) -> None:
        """A session with this definition has come."""
        bare = spare_spec(spec)
        if bare is None:
            return
        profile = bare.spawn_profile()
        self._specs.setdefault(profile, bare)
        self.used_at.pop(profile, None)  # so that the order is that of the last use
        self.used_at[profile] = now
        if len(self.used_at) > KEPT_PROFILES:
            self._forget(next(iter(self.used_at)))

    def spare_failed(self, profile: str, error: str, now: float) -> float:
        """Returns the seconds until the next try."""
        restarts = self._failures.get(profile, Restarts()).after_end(0.0)
        self._failures[profile] = restarts
        self.retry_at[profile] = now + restarts.delay_s
        self.last_error[profile] = error
        return restarts.delay_s

    def spare_ready(self, profile: str) -> bool:
        """True when the refill of this profile had been failing."""
        self.retry_at.pop(profile, None)
        self.last_error.pop(profile, None)
        return self._failures.pop(profile, None) is not None

    def failing(self, profile: str) -> bool:
        return profile in self._failures

    def _forget(self, profile: str) -> None:
        del self.used_at[profile]
        if profile != self.default_profile:
            for memory in (self._specs, self.retry_at, self.last_error, self._failures):
                memory.pop(profile, None)
