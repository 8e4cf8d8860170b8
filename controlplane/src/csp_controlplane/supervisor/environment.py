"""What each process may know: a pure function from the supervisor's environment to a child's.

Children start from almost nothing. Settings of csp reach the components that read them; keys and
addresses with passwords reach only the component that needs them, and workers get none, because
everything in a worker is the agent's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Component = Literal["gateway", "proxy", "model", "worker", "server", "prepare"]
"""`server` is PostgreSQL and Valkey; `prepare` is the run of migrations."""

_COMMON = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
_OUTBOUND = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "ALL_PROXY")
_MODEL_KEYS = ("CSP_PROXY_API_KEY", "ANTHROPIC_API_KEY")

_PREFIXES: dict[Component, tuple[str, ...]] = {
    "gateway": ("CSP_",),
    "proxy": ("CSP_PROXY_", "CSP_DATABASE_", "CSP_REDIS_", "CSP_LOG_"),
    "model": ("CSP_SCRIPTED_", "CSP_LOG_"),
    "worker": ("CSP_WORKER_", "CSP_LOG_"),
    "server": (),
    "prepare": ("CSP_DATABASE_", "CSP_LOG_"),
}


def child_environment(
    component: Component, ours: Mapping[str, str], own: Mapping[str, str]
) -> dict[str, str]:
    """`ours`: the supervisor's environment. `own`: what it decides for this child; wins."""
    names = [*_COMMON]
    if component == "proxy":
        for name in _OUTBOUND:
            names += [name, name.lower()]
        names += _MODEL_KEYS
    picked = {name: ours[name] for name in names if name in ours}
    prefixes = _PREFIXES[component]
    if component == "gateway" and ours.get("CSP_OBJECTS_URL", "").startswith("s3:"):
        prefixes += ("AWS_",)  # the bucket's address and credentials, for nobody without a bucket
    for name, value in ours.items():
        if name.startswith(prefixes) and (component == "proxy" or name not in _MODEL_KEYS):
            picked[name] = value
    picked.setdefault("PATH", "/usr/local/bin:/usr/bin:/bin")
    picked.setdefault("LANG", "C.UTF-8")
    # A component that crashes says where, also in a compiled library.
    picked["PYTHONFAULTHANDLER"] = "1"
    picked["PYTHONUNBUFFERED"] = "1"
    return {**picked, **own}
