"""What the proxy measures, for Prometheus. Labels come from small fixed sets."""

from __future__ import annotations

from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

Outcome = Literal[
    "ok",
    "refused",
    "rate_limited",
    "client_error",
    "overloaded",
    "server_error",
    "unreachable",
    "cut",
    "cancelled",
    "held_back",
]
"""How a request ended: `refused` by the proxy, `held_back` by the circuit breaker, `cut` by the
provider in the middle of the answer, `cancelled` by the worker."""

OTHER_MODEL = "other"
"""The label of models that the price table does not know."""

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class ProxyMetrics:
    """The proxy's own registry."""

    def __init__(self, models: list[str]) -> None:
        self.registry = CollectorRegistry()
        self.cost = Counter(
            "csp_api_cost_usd",
            "Cost of model requests at list price, in US dollars.",
            ["model"],
            registry=self.registry,
        )
        self.breaker = Gauge(
            "csp_circuit_breaker_state",
            "Circuit breaker of the model provider: 0 closed, 1 half open, 2 open.",
            registry=self.registry,
        )
        self.requests = Counter(
            "csp_model_requests",
            "Requests of workers to the model, by how they ended.",
            ["status"],
            registry=self.registry,
        )
        self.duration = Histogram(
            "csp_model_request_duration_seconds",
            "From a request's arrival to the end of its answer.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.first_byte = Histogram(
            "csp_model_first_byte_seconds",
            "From a request's arrival to the first byte of its answer.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.overhead = Histogram(
            "csp_model_proxy_overhead_seconds",
            "From a request's arrival to the moment it is sent on to the provider.",
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5),
            registry=self.registry,
        )
        self.unsettled = Gauge(
            "csp_model_unsettled_requests",
            "Requests whose cost waits to be written to the database.",
            registry=self.registry,
        )
        self.lost = Counter(
            "csp_model_settlements_lost",
            "Costs that could not be written, for example of a deleted session.",
            registry=self.registry,
        )
        self.expired = Counter(
            "csp_model_reservations_expired",
            "Reservations that nobody settled and that were charged at their maximum.",
            registry=self.registry,
        )
        for outcome in get_args(Outcome):
            self.requests.labels(outcome)
        for model in models:
            self.cost.labels(model)
