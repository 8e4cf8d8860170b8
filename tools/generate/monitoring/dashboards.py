"""The dashboards: sessions, warm pool, cost, errors, latency."""

from __future__ import annotations

from generate.monitoring.dashboard import Dashboard, Panel

_R = "[$__rate_interval]"
_CLAIM = "csp_operator_claim"


def _quantiles(histogram: str, by: str = "", match: str = "") -> dict[str, str]:
    """p50, p95 and p99 of a histogram, by one more label or none."""
    labels = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    match = f"$ns, {match}" if match else "$ns"
    return {
        f"p{share}{legend}": f"histogram_quantile({share / 100}, sum by ({labels}) "
        f"(rate({histogram}_bucket{{{match}}}{_R})))"
        for share in (50, 95, 99)
    }


def _rate(counter: str, by: str, match: str = "") -> dict[str, str]:
    match = f"$ns, {match}" if match else "$ns"
    return {f"{{{{{by}}}}}": f"sum by ({by}) (rate({counter}{{{match}}}{_R}))"}


SESSIONS = Dashboard(
    "sessions",
    "Sessions",
    (
        Panel(
            "Sessions by state",
            {"{{state}}": "max by (state) (csp_active_sessions{$ns})"},
            stacked=True,
            description="Running and waiting for an approval are never idle; paused has no pod.",
        ),
        Panel(
            "Open connections",
            {
                "WebSockets": "sum(csp_websocket_connections{$ns})",
                "event streams": "sum(csp_event_stream_connections{$ns})",
            },
        ),
        Panel(
            "Attached sessions by gateway",
            {"{{pod}}": "sum by (pod) (csp_attached_sessions{$ns})"},
            description="Each running turn is attached to one gateway, watched or not.",
        ),
        Panel(
            "Sessions by phase (operator)",
            {"{{phase}}": "max by (phase) (csp_operator_sessions)"},
            stacked=True,
        ),
        Panel("Events written", _rate("csp_events_appended_total", "writer"), unit="ops"),
        Panel(
            "Lost workers",
            {"{{reason}}": "sum by (reason) (increase(csp_workers_lost_total{$ns}[15m]))"},
            description="In 15 minutes.",
        ),
    ),
)

POOL = Dashboard(
    "pool",
    "Warm pool",
    (
        Panel(
            "Pods of pools",
            {"{{pool}} {{state}}": "sum by (pool, state) (csp_operator_pool_pods{$ns})"},
        ),
        Panel(
            "Sessions that wait for a pod",
            {"waiting": "max(csp_operator_sessions_waiting)"},
        ),
        Panel("How sessions got their pods", _rate("csp_operator_claims_total", "start"), "ops"),
        Panel(
            "Warm hits",
            {
                "share": 'sum(increase(csp_operator_claims_total{start="warm"}[1h])) / '
                "sum(increase(csp_operator_claims_total[1h]))"
            },
            unit="percentunit",
            description="Of the last hour. The rest started cold or with another spawn profile.",
        ),
        Panel(
            "Claims without a warm pod",
            {
                "missed: {{reason}}": f"sum by (reason) (rate({_CLAIM}_misses_total{_R}))",
                "again: {{reason}}": f"sum by (reason) (rate({_CLAIM}_retries_total{_R}))",
            },
            unit="ops",
        ),
        Panel(
            "Time until a new pod is warm",
            {
                f"p{share}": f"histogram_quantile({share / 100}, sum by (le) "
                f"(rate(csp_operator_refill_seconds_bucket{_R})))"
                for share in (50, 95)
            },
            unit="s",
        ),
        Panel(
            "Deleted pods",
            {"{{reason}}": f"sum by (reason) (rate(csp_operator_pods_deleted_total{_R}))"},
            unit="ops",
        ),
        Panel(
            "Acting operator",
            {"{{pod}}": "sum by (pod) (csp_operator_leader)"},
            description="One of them is 1.",
        ),
    ),
)

COST = Dashboard(
    "cost",
    "Cost",
    (
        Panel(
            "Spent in the chosen time",
            {"US dollars": "sum(increase(csp_api_cost_usd_total{$ns}[$__range]))"},
            unit="currencyUSD",
            kind="stat",
        ),
        Panel(
            "Dollars an hour by model",
            {"{{model}}": "sum by (model) (increase(csp_api_cost_usd_total{$ns}[1h]))"},
            unit="currencyUSD",
            stacked=True,
            description="At list price, as the model proxy counts it.",
        ),
        Panel("Model requests", _rate("csp_model_requests_total", "status"), "reqps", stacked=True),
        Panel(
            "Costs that wait for the database",
            {"{{pod}}": "sum by (pod) (csp_model_unsettled_requests{$ns})"},
        ),
        Panel(
            "Costs that had to be guessed",
            {
                "charged at maximum": "sum(increase("
                "csp_model_reservations_expired_total{$ns}[1h]))",
                "lost": "sum(increase(csp_model_settlements_lost_total{$ns}[1h]))",
            },
            description="In one hour.",
        ),
    ),
)

ERRORS = Dashboard(
    "errors",
    "Errors",
    (
        Panel(
            "Failed requests at gateways",
            {
                "share": "sum(rate(csp_http_request_duration_seconds_count"
                f'{{$ns, status="5xx"}}{_R})) / sum(rate('
                f"csp_http_request_duration_seconds_count{{$ns}}{_R}))"
            },
            unit="percentunit",
        ),
        Panel(
            "Failed requests by route",
            _rate("csp_http_request_duration_seconds_count", "route", 'status="5xx"'),
            "reqps",
        ),
        Panel(
            "Model requests that failed",
            _rate("csp_model_requests_total", "status", 'status!="ok"'),
            "reqps",
        ),
        Panel(
            "Circuit breaker",
            {"{{pod}}": "max by (pod) (csp_circuit_breaker_state{$ns})"},
            description="0 closed, 1 half open, 2 open: requests are held back.",
        ),
        Panel(
            "Operator: failed looks at resources",
            {"{{kind}}": f"sum by (kind) (rate(csp_operator_reconcile_errors_total{_R}))"},
            unit="ops",
        ),
        Panel(
            "Operator: writes by outcome",
            {"{{outcome}}": f"sum by (outcome) (rate(csp_operator_api_writes_total{_R}))"},
            unit="ops",
        ),
        Panel("Sessions in error", {"error": 'max(csp_active_sessions{$ns, state="error"})'}),
        Panel("Sign-ins", _rate("csp_sign_in_attempts_total", "outcome"), "ops"),
    ),
)

LATENCY = Dashboard(
    "latency",
    "Latency",
    (
        Panel(
            "From needing a worker to having it",
            _quantiles("csp_session_init_duration_seconds", "start"),
            "s",
        ),
        Panel(
            "Claim of a warm pod",
            {
                f"p{share} {{{{step}}}}": f"histogram_quantile({share / 100}, sum by (le, step) "
                f"(rate(csp_operator_claim_seconds_bucket{_R})))"
                for share in (50, 95)
            },
            unit="s",
        ),
        Panel("Commit to the event log", _quantiles("csp_event_append_seconds", "writer"), "s"),
        Panel("First byte of the model's answer", _quantiles("csp_model_first_byte_seconds"), "s"),
        Panel("Added by the model proxy", _quantiles("csp_model_proxy_overhead_seconds"), "s"),
        Panel(
            "Requests at gateways",
            {
                "p95 {{route}}": "histogram_quantile(0.95, sum by (le, route) (rate("
                f"csp_http_request_duration_seconds_bucket{{$ns}}{_R})))"
            },
            "s",
            description="Until the last byte; streams are included.",
        ),
        Panel(
            "Operator: one look at a resource",
            {
                "p95 {{kind}}": "histogram_quantile(0.95, sum by (le, kind) "
                f"(rate(csp_operator_reconcile_seconds_bucket{_R})))"
            },
            unit="s",
        ),
        Panel("Operator: queue", {"resources": "max(csp_operator_queue_length)"}),
    ),
)

DASHBOARDS = (SESSIONS, POOL, COST, ERRORS, LATENCY)
