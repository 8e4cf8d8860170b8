"""What can be reached and read from inside a worker, which is the agent's."""

from __future__ import annotations

import base64
import json

import pytest

from e2e.installation import NAMESPACE, Installation
from e2e.sessions import allowed, pod_of, results, watching
from support.play import bash, say, script

_REACH = """
import json, socket, sys
found = {}
for name, (host, port) in json.loads(sys.argv[1]).items():
    try:
        socket.create_connection((host, port), 3).close()
        found[name] = True
    except OSError:
        found[name] = False
print(json.dumps(found))
"""


def reached(installation: Installation, pod: str, targets: dict[str, tuple[str, int]]) -> set[str]:
    """Names of the targets that a connection from inside the pod reaches."""
    command = ("exec", pod, "--", "python", "-I", "-c", _REACH, json.dumps(targets))
    answers: dict[str, bool] = json.loads(installation.csp(*command))
    return {name for name, open_ in answers.items() if open_}


def policies_are_enforced(installation: Installation) -> bool:
    """What `helm test` finds out: whether the network plugin heeds policies at all."""
    said = installation.helm("test", "csp", "--logs", "--timeout=120s")
    return "NOT ENFORCED" not in said.upper()


def test_only_the_proxies_are_within_reach(installation: Installation) -> None:
    spare = installation.warm_pods()[0]["metadata"]["name"]
    others = [pod for pod in installation.get("pods") if pod["metadata"]["name"] != spare]
    address = {
        service["metadata"]["name"]: service["spec"]["clusterIP"]
        for service in installation.get("services")
    }
    kubernetes = json.loads(
        installation.kubectl("-n", "default", "get", "service", "kubernetes", "-o", "json")
    )
    allowed = {
        "model proxy": (address["csp-model-proxy"], 8402),
        "egress proxy": (address["csp-egress-proxy"], 3128),
    }
    forbidden = {
        "API server": (kubernetes["spec"]["clusterIP"], 443),
        "database": (address["csp-postgresql"], 5432),
        "Redis": (address["csp-valkey"], 6379),
        "gateway": (address["csp-gateway"], 8400),
        **{
            f"worker {pod['metadata']['name']}": (pod["status"]["podIP"], 7443)
            for pod in others
            if "sessionplane.io/pool" in pod["metadata"]["labels"]
        },
        "cloud metadata": ("169.254.169.254", 80),
        "the internet": ("1.1.1.1", 443),
    }
    assert reached(installation, spare, allowed) == set(allowed)
    open_ = reached(installation, spare, forbidden)
    if open_ and not policies_are_enforced(installation):
        pytest.skip(
            "UNVERIFIED HERE: the network plugin ignores policies, as the native node's bridge "
            f"does, and lets a worker reach {sorted(open_)}. On a cluster that enforces them this "
            "test fails instead. What the policies allow is checked by tests/chart."
        )
    assert open_ == set()


def test_names_are_not_answered_and_the_egress_proxy_refuses_what_is_not_listed(
    installation: Installation,
) -> None:
    spare = installation.warm_pods()[0]["metadata"]["name"]
    program = "import socket; socket.getaddrinfo('csp-postgresql.csp.svc.cluster.local', 5432)"
    with pytest.raises(RuntimeError, match="gaierror"):
        installation.csp("exec", spare, "--", "python", "-I", "-c", program)
    for target in ("http://169.254.169.254/latest/meta-data/", "http://blocked.example/"):
        asked = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", target)
        assert installation.csp("exec", spare, "--", *asked) == "403", target


def test_a_worker_holds_no_secret(installation: Installation) -> None:
    secrets = [
        value
        for secret in installation.get("secrets")
        if secret["type"] == "Opaque"
        for value in secret["data"].values()
        if len(value) > 16
    ]
    assert secrets
    spare = installation.warm_pods()[0]["metadata"]["name"]
    script_ = "env; cat /etc/csp/keys/*; ls /var/run/secrets 2>&1; cat /proc/1/environ 2>&1"
    seen = installation.csp("exec", spare, "--", "/bin/sh", "-c", f"{script_} || true")
    for secret in secrets:
        assert base64.b64decode(secret).decode() not in seen
    assert '"d"' not in seen, "the private half of the signing key"
    assert "No such file" in seen, "a service account's token"


def asked_with(installation: Installation, pod: str, handle: str) -> str:
    """The model proxy's status for a request from inside that pod with this handle."""
    body = {
        "model": "claude-sonnet-4-5",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "hello"}],
    }
    asked = (
        "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", "*",
        "-H", f"x-api-key: {handle}", "-H", "content-type: application/json",
        "-d", json.dumps(body), "http://csp-model-proxy:8402/v1/messages",
    )  # fmt: skip
    return installation.csp("exec", pod, "--", *asked)


async def test_the_model_proxy_refuses_a_handle_that_is_stolen_or_made_up(
    installation: Installation,
) -> None:
    """A handle is its own worker's: its agent can read it, and another one has no use for it."""
    async with watching(installation) as owner, watching(installation) as thief:
        tells = bash('printf "%s" "$ANTHROPIC_API_KEY"')
        message = await owner.say(script(tells, say("That is it.")))
        await allowed(owner)
        await owner.turn_end(message, deadline=180)
        (handle,) = results(owner)
        await thief.turn(script(say("hello")), deadline=180)
        its_own = pod_of(installation, owner.session_id)["name"]
        another = pod_of(installation, thief.session_id)["name"]
        assert asked_with(installation, its_own, handle) == "200"
        assert asked_with(installation, another, handle) == "401"
        assert asked_with(installation, its_own, "csph_made_up") == "401"
        assert (await owner.turn(script(say("I go on."))))["outcome"] == "completed"


def test_the_workers_file_system_is_read_only_and_nobody_is_root(
    installation: Installation,
) -> None:
    spare = installation.warm_pods()[0]["metadata"]["name"]
    assert installation.csp("exec", spare, "--", "id", "-u").strip() == "10001"
    with pytest.raises(RuntimeError, match="Read-only file system"):
        installation.csp("exec", spare, "--", "touch", "/usr/bin/x")
    for tool in ("git", "rg", "curl", "jq", "patch"):
        assert installation.csp("exec", spare, "--", "which", tool), NAMESPACE
