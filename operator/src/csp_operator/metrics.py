"""What can be counted about the operator. Series with fixed labels exist from the start."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

CLAIM_STEPS = ("queue", "patch", "status", "total")
STARTS = ("warm", "warm_partial", "cold")
MISSES = ("none_warm", "none_left")
RETRIES = ("changed", "gone", "conflict", "unknown", "unusable")
KINDS = ("session", "pool", "orphan")
PHASES = ("Pending", "Starting", "Bound", "Paused", "Suspended", "Finished", "Failed")
DELETIONS = (
    "extra", "ended", "released", "paused", "suspended", "finished", "not_accepted", "orphan",
    "outdated", "surplus", "unready", "unusable",
)  # fmt: skip
OUTCOMES = ("ok", "conflict", "refused", "unknown")
_FAST = (0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_SLOW = (0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60, 120, 300, 600)


class OperatorMetrics:
    """All metrics of one operator process."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._claims()
        self._pools()
        self._machinery()

    def _claims(self) -> None:
        self.claim = Histogram(
            "csp_operator_claim_seconds",
            "Time that a claim of a waiting pod took, by step; total is from the event that "
            "brought the session to the status that says Bound.",
            ["step"],
            buckets=_FAST,
            registry=self.registry,
        )
        self.starts = Counter(
            "csp_operator_claims",
            "Pods that sessions got, by how they came.",
            ["start"],
            registry=self.registry,
        )
        self.misses = Counter(
            "csp_operator_claim_misses",
            "Sessions that found no waiting pod: none_warm, there was none; none_left, others were "
            "faster.",
            ["reason"],
            registry=self.registry,
        )
        self.retries = Counter(
            "csp_operator_claim_retries",
            "Waiting pods that could not be claimed, by reason.",
            ["reason"],
            registry=self.registry,
        )
        self.rebinds = Counter(
            "csp_operator_rebinds", "Pods that sessions lost.", registry=self.registry
        )
        self.sessions = Gauge(
            "csp_operator_sessions", "Sessions, by phase.", ["phase"], registry=self.registry
        )
        self.waiting = Gauge(
            "csp_operator_sessions_waiting",
            "Sessions that wait for a pod to become warm.",
            registry=self.registry,
        )
        for step in CLAIM_STEPS:
            self.claim.labels(step)
        for start in STARTS:
            self.starts.labels(start)
        for miss in MISSES:
            self.misses.labels(miss)
        for retry in RETRIES:
            self.retries.labels(retry)
        for phase in PHASES:
            self.sessions.labels(phase)

    def _pools(self) -> None:
        self.pods = Gauge(
            "csp_operator_pool_pods",
            "Pods of a pool: warm, starting, claimed; wanted is how many shall be warm.",
            ["namespace", "pool", "state"],
            registry=self.registry,
        )
        self.refill = Histogram(
            "csp_operator_refill_seconds",
            "Time from the creation of a waiting pod until it was ready.",
            buckets=_SLOW,
            registry=self.registry,
        )
        self.deletions = Counter(
            "csp_operator_pods_deleted",
            "Pods that the operator deleted, by reason.",
            ["reason"],
            registry=self.registry,
        )
        for reason in DELETIONS:
            self.deletions.labels(reason)

    def _machinery(self) -> None:
        self.writes = Counter(
            "csp_operator_api_writes",
            "Writes to the API server, by resource and outcome.",
            ["resource", "outcome"],
            registry=self.registry,
        )
        self.queue = Gauge(
            "csp_operator_queue_length",
            "Resources that wait to be looked at.",
            registry=self.registry,
        )
        self.reconcile = Histogram(
            "csp_operator_reconcile_seconds",
            "Time of one look at a resource, by kind.",
            ["kind"],
            buckets=_FAST,
            registry=self.registry,
        )
        self.errors = Counter(
            "csp_operator_reconcile_errors",
            "Looks at a resource that failed and are repeated, by kind.",
            ["kind"],
            registry=self.registry,
        )
        self.leader = Gauge(
            "csp_operator_leader", "1 while this replica acts.", registry=self.registry
        )
        self.resyncs = Counter(
            "csp_operator_resyncs", "Complete lists of everything.", registry=self.registry
        )
        self.event_drops = Counter(
            "csp_operator_events_dropped",
            "Kubernetes Events that were left out because too many were due.",
            registry=self.registry,
        )
        for resource in ("pods", "agentsessions", "agentpools", "events", "leases"):
            for outcome in OUTCOMES:
                self.writes.labels(resource, outcome)
        for kind in KINDS:
            self.reconcile.labels(kind)
            self.errors.labels(kind)
