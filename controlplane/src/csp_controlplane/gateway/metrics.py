"""What the gateway counts, for Prometheus.

Every series exists from the start with the value 0, so that a rate or an alert never waits for the
first event; labels come from small fixed sets. The core uses the methods that `attach.core` names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

STATES = ("creating", "active", "running", "paused", "completed", "error")
STARTS = ("warm", "warm_partial", "cold", "bound")
WRITERS = ("worker", "control")
LOSSES = ("exited", "killed", "deleted", "lost", "unreachable", "fenced", "other")
SPARES = ("warm", "starting", "failing")
PROCESSES = ("worker", "cli")
STATUS_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_SLOW = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60)


class GatewayMetrics:
    """The gateway's metrics in one registry. Built once per process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.session_init = Histogram(
            "csp_session_init_duration_seconds",
            "From the decision that a session needs a worker until that worker is bound.",
            ["start"],
            buckets=_SLOW,
            registry=registry,
        )
        self.prewarm_pool_size = Gauge(
            "csp_prewarm_pool_size",
            "Spare workers by state; failing counts profiles whose last refill failed.",
            ["state"],
            registry=registry,
        )
        self.subprocess_rss = Gauge(
            "csp_subprocess_rss_bytes",
            "Resident memory of the local workers and of their CLIs, as the runtime reports it.",
            ["process"],
            registry=registry,
        )
        self.http_requests = Histogram(
            "csp_http_request_duration_seconds",
            "Time until the last byte of an answer was handed to the server; streams included.",
            ["method", "route", "status"],
            buckets=_FAST,
            registry=registry,
        )
        self.websocket_connections = Gauge(
            "csp_websocket_connections", "Open WebSockets.", registry=registry
        )
        self.event_streams = Gauge(
            "csp_event_stream_connections", "Open server-sent event streams.", registry=registry
        )
        self.appended = Counter(
            "csp_events_appended_total",
            "Events committed to session logs by this gateway.",
            ["writer"],
            registry=registry,
        )
        self.append_seconds = Histogram(
            "csp_event_append_seconds",
            "Time of one append, commit included.",
            ["writer"],
            buckets=_FAST,
            registry=registry,
        )
        self.active_sessions = Gauge(
            "csp_active_sessions",
            "Sessions in the database by state, archived and deleted ones left out.",
            ["state"],
            registry=registry,
        )
        self.attached = Gauge(
            "csp_attached_sessions", "Sessions this gateway is attached to.", registry=registry
        )
        self.workers_lost = Counter(
            "csp_workers_lost_total",
            "Bound workers that ended without being asked to.",
            ["reason"],
            registry=registry,
        )
        self.sign_ins = Counter(
            "csp_sign_in_attempts_total",
            "Attempts to sign in.",
            ["method", "outcome"],
            registry=registry,
        )
        self._create_series()

    def _create_series(self) -> None:
        for start in STARTS:
            self.session_init.labels(start)
        for state in SPARES:
            self.prewarm_pool_size.labels(state)
        for process in PROCESSES:
            self.subprocess_rss.labels(process)
        for writer in WRITERS:
            self.appended.labels(writer)
            self.append_seconds.labels(writer)
        for state in STATES:
            self.active_sessions.labels(state)
        for reason in LOSSES:
            self.workers_lost.labels(reason)
        for method in ("password", "link"):
            for outcome in ("success", "failure", "throttled"):
                self.sign_ins.labels(method, outcome)

    def declare_routes(self, routes: Iterable[tuple[str, str]]) -> None:
        """Pre-creates the series of (method, route) pairs for the common outcomes."""
        for method, route in routes:
            for status in ("2xx", "4xx", "5xx"):
                self.http_requests.labels(method, route, status)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """One answered request. `route` is the path's template, never the path."""
        klass = STATUS_CLASSES[min(max(status // 100, 1), 5) - 1]
        self.http_requests.labels(method, route, klass).observe(seconds)

    def sessions_by_state(self, counts: Mapping[str, int]) -> None:
        for state in STATES:
            self.active_sessions.labels(state).set(counts.get(state, 0))

    # ---- used by the core -----------------------------------------------------------------------

    def events_appended(self, writer: str, count: int, seconds: float) -> None:
        """One committed batch. `writer` is worker or control."""
        self.appended.labels(writer).inc(count)
        self.append_seconds.labels(writer).observe(seconds)

    def session_bound(self, start: str, seconds: float) -> None:
        """A worker was bound; `start` is as BindResponse has it."""
        self.session_init.labels(start if start in STARTS else "cold").observe(seconds)

    def attachments(self, count: int) -> None:
        """How many sessions this gateway is attached to now."""
        self.attached.set(count)

    def worker_lost(self, reason: str) -> None:
        self.workers_lost.labels(reason if reason in LOSSES else "other").inc()
