"""The alerts. Each says what to do, and has a promtool test that it fires and keeps quiet."""

from __future__ import annotations

from generate.monitoring.alert import Alert, quantile, ratio, running

_REQUESTS = "csp_http_request_duration_seconds_count"
_MODEL = "csp_model_requests_total"
_FAILED = '{status=~"server_error|overloaded|rate_limited|unreachable|cut"}'

ALERTS = (
    Alert(
        "CspGatewayDown", running("csp-gateway"), "< 1", "2m", "critical",
        "No gateway answers: nobody reaches csp.",
        "`kubectl get pods` and `kubectl describe` of the gateways; one that is not ready says why "
        "at /api/v1/health/ready.",
    ),
    Alert(
        "CspModelProxyDown", running("csp-model-proxy"), "< 1", "2m", "critical",
        "No model proxy answers: every answer fails.",
        "Look at the pods and logs of the model proxy, and whether it reaches the database.",
    ),
    Alert(
        "CspOperatorNotActing", "sum(csp_operator_leader) or vector(0)", "< 1", "5m",
        "critical",
        "No operator acts: sessions that need a pod wait. Those that have one go on.",
        "Look at the operator's pods and logs, and at the Lease csp-operator.",
    ),
    Alert(
        "CspGatewayErrors", ratio(f'{_REQUESTS}{{status="5xx"}}', _REQUESTS), "> 0.05", "10m",
        "critical",
        "More than one request in twenty fails.",
        "The gateways' logs name the reason; the database is the usual one.",
    ),
    Alert(
        "CspDatabaseSlow", quantile(0.99, "csp_event_append_seconds"), "> 0.5", "10m", "warning",
        "One commit to the event log in a hundred takes more than half a second.",
        "Look at the database's load, locks and disk. Answers appear late for everybody.",
    ),
    Alert(
        "CspSessionsStartSlowly", quantile(0.95, "csp_session_init_duration_seconds", "15m"),
        "> 15", "15m", "warning",
        "One session in twenty waits more than 15 seconds for its worker.",
        "More spare pods (the pool's targetSpare), or room for them in the cluster.",
    ),
    Alert(
        "CspSessionsInError", 'max by (namespace) (csp_active_sessions{state="error"})', "> 0",
        "15m", "warning",
        "Sessions have been in error for a quarter of an hour.",
        "Their logs on the page and `kubectl describe` of their AgentSessions say why.",
    ),
    Alert(
        "CspWorkersLost",
        'sum by (namespace) (increase(csp_workers_lost_total{reason!="deleted"}[15m]))', "> 5",
        "5m", "warning",
        "Workers die under their sessions.",
        "Look at Events of the worker pods: memory limits, evictions, lost nodes.",
    ),
    Alert(
        "CspPoolEmpty",
        'sum by (namespace, pool) (csp_operator_pool_pods{state="warm"}) - '
        'clamp_max(sum by (namespace, pool) (csp_operator_pool_pods{state="wanted"}), 1)',
        "< 0", "5m", "warning",
        "A pool has no warm pod although it should: sessions start cold.",
        "`kubectl describe agentpool` tells in the conditions why pods do not become ready.",
    ),
    Alert(
        "CspSessionsWaitForPods", "max by (namespace) (csp_operator_sessions_waiting)", "> 0", "5m",
        "warning",
        "Sessions wait for a warm pod.",
        "As for CspPoolEmpty; raise targetSpare when this is the usual load.",
    ),
    Alert(
        "CspOperatorErrors", "sum by (namespace) (rate(csp_operator_reconcile_errors_total[10m]))",
        "> 0.1", "15m", "warning",
        "The operator fails again and again on some resource.",
        "Its log names the resource and the API server's answer.",
    ),
    Alert(
        "CspModelProviderDown", "max by (namespace) (csp_circuit_breaker_state)", "== 2", "2m",
        "critical",
        "The model's provider fails, and requests are held back.",
        "Look at the provider's status page, the key and its limits; the model proxy's log names "
        "the answers.",
    ),
    Alert(
        "CspModelErrors",
        ratio(f"{_MODEL}{_FAILED}", _MODEL), "> 0.1", "10m", "warning",
        "More than one model request in ten fails.",
        "rate_limited: ask the provider for more; unreachable: look at the network policy and DNS.",
    ),
    Alert(
        "CspCostsUnsettled", "max by (namespace) (csp_model_unsettled_requests)", "> 100", "5m",
        "warning",
        "Costs wait in the model proxy's memory because the database does not take them.",
        "Look at the database. Do not restart the model proxy: what waits would be charged at its "
        "maximum.",
    ),
    Alert(
        "CspCostsGuessed",
        "sum by (namespace) (increase(csp_model_reservations_expired_total[1h]))", "> 10", "5m",
        "warning",
        "Requests were charged at their maximum because their end was never recorded.",
        "The model proxy was killed or cut off from the database: look at its restarts.",
    ),
    Alert(
        "CspSpendsFast", "sum by (namespace) (increase(csp_api_cost_usd_total[1h]))", "> 100", "5m",
        "info",
        "More than 100 US dollars in an hour.",
        "The dashboard csp / Cost shows which models; the page shows which sessions.",
    ),
    Alert(
        "CspSignInsRefused",
        'sum by (namespace) (increase(csp_sign_in_attempts_total{outcome!="success"}[15m]))',
        "> 50", "5m", "warning",
        "Many sign-ins are refused: somebody may be guessing passwords.",
        "Look at the audit log for the addresses.",
    ),
)  # fmt: skip
"""In the order of the reference page."""
