"""A release in a real API server: what Helm makes is accepted, and what was made once is kept."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jwt
import pytest
import yaml

from chart.rendering import CHART
from csp_controlplane.attach.tokens import WorkerTokens
from prepare import chart as programs
from prepare.steps import ROOT
from support.apiserver import ApiServer

# Pods of the namespace are admitted by the strictest standard, and Helm shows the warnings about
# what would make such pods.
_LEVEL = "pod-security.kubernetes.io"


class Release:
    """csp in a namespace of its own. Nothing runs there, so hooks are left out."""

    def __init__(self, api: ApiServer) -> None:
        self.api = api
        self.namespace = api.create_namespace()
        for mode in ("enforce", "warn"):
            api.kubectl("label", "namespace", self.namespace, f"{_LEVEL}/{mode}=restricted")

    def helm(self, verb: str, *arguments: str) -> str:
        """What Helm said on standard error: warnings."""
        done = subprocess.run(
            [programs.helm(), verb, "csp", *arguments, "--namespace", self.namespace],
            env={**os.environ, **self.api.environment(), "HOME": str(self.api.directory)},
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    def install(self, *values: str) -> str:
        return self.helm("install", str(CHART), *_sets(values), "--no-hooks")

    def upgrade(self, *values: str) -> str:
        return self.helm("upgrade", str(CHART), *_sets(values), "--no-hooks")

    def secret(self, name: str) -> dict[str, str]:
        found = self.get("secret", name)
        return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}

    def jwks(self) -> list[dict[str, str]]:
        text = self.get("configmap", "csp-worker-keys")["data"]["jwks.json"]
        return list(json.loads(text)["keys"])

    def get(self, kind: str, name: str) -> Any:
        return json.loads(self.api.kubectl("-n", self.namespace, "get", kind, name, "-o", "json"))


def _sets(values: tuple[str, ...]) -> list[str]:
    return [part for value in values for part in ("--set", value)]


@pytest.fixture
def release(api_server: ApiServer) -> Release:
    return Release(api_server)


def accepts(key: dict[str, str], keys: list[dict[str, str]]) -> bool:
    """Whether a worker with these public keys accepts what the holder of this one signs."""
    ((_, token),) = WorkerTokens(key).metadata("pod", "session", 1)
    token = token.removeprefix("Bearer ")
    kid = jwt.get_unverified_header(token)["kid"]
    found = [jwt.PyJWK(public, algorithm="EdDSA") for public in keys if public["kid"] == kid]
    try:
        jwt.decode(token, found[0].key, algorithms=["EdDSA"], audience="pod")
    except (IndexError, jwt.InvalidSignatureError):
        return False
    return True


def test_everything_is_accepted_and_restricted(release: Release) -> None:
    said = release.install("egressProxy.replicas=2", "gateway.autoscaling.enabled=true")
    assert "PodSecurity" not in said, said
    assert "unknown field" not in said, said
    assert release.get("agentpool", "default")["spec"]["scaling"]["targetSpare"] == 2
    described = release.get("deployment", "csp-gateway")["spec"]["template"]["spec"]
    assert described["serviceAccountName"] == "csp-gateway"


def test_keys_and_passwords_survive_upgrades(release: Release) -> None:
    release.install()
    names = ("csp-signing-key", "csp-database", "csp-redis")
    before = {name: release.secret(name) for name in names}
    public = release.jwks()
    release.upgrade("gateway.replicas=3")
    assert {name: release.secret(name) for name in names} == before
    assert release.jwks() == public


def test_workers_accept_what_gateways_sign_and_see_no_private_key(release: Release) -> None:
    release.install()
    secret, public = release.secret("csp-signing-key"), release.jwks()
    assert accepts(json.loads(secret["key.json"]), public)
    assert all("d" not in key for key in public)
    mounted = release.get("deployment", "csp-gateway")["spec"]["template"]["spec"]["volumes"]
    items = [v["secret"]["items"] for v in mounted if "secret" in v]
    assert items == [[{"key": "key.json", "path": "key.json"}]]


def test_changing_the_key_never_leaves_a_gateway_unheard(release: Release) -> None:
    release.install()
    first, known_before = release.secret("csp-signing-key"), release.jwks()
    release.upgrade("signingKey.generation=2")
    second, known_after = release.secret("csp-signing-key"), release.jwks()
    old, new = json.loads(first["key.json"]), json.loads(second["key.json"])
    assert new != old
    # Pods that have not seen the new set yet hear the new gateways, and the other way round.
    assert accepts(new, known_before)
    assert accepts(old, known_after)
    release.upgrade("signingKey.generation=3")
    assert not accepts(old, release.jwks()), "two changes later the first key is nobody's"
    assert accepts(new, release.jwks())


def test_a_change_of_the_key_replaces_the_gateways(release: Release) -> None:
    release.install()
    before = release.get("deployment", "csp-gateway")["spec"]["template"]
    release.upgrade("signingKey.generation=2")
    assert release.get("deployment", "csp-gateway")["spec"]["template"] != before


def test_a_rollback_brings_the_keys_back_that_workers_know(release: Release) -> None:
    release.install()
    first = json.loads(release.secret("csp-signing-key")["key.json"])
    release.upgrade("signingKey.generation=2")
    published = release.jwks()
    release.helm("rollback", "1", "--no-hooks")
    assert json.loads(release.secret("csp-signing-key")["key.json"]) == first
    assert accepts(first, published)
    assert accepts(first, release.jwks())


def test_history_survives_that_the_release_is_removed_and_installed_again(
    release: Release,
) -> None:
    release.install()
    release.helm("uninstall", "--no-hooks")
    kept = release.api.kubectl("get", "crd", "agentsessions.sessionplane.io", "-o", "name")
    assert "agentsessions" in kept, "sessions stay in the cluster"
    release.install()


def test_a_pool_that_the_api_server_would_refuse_never_gets_there(release: Release) -> None:
    release.install()
    with pytest.raises(AssertionError, match="minWarm"):
        release.upgrade("pools.default.scaling.minWarm=-1")
    with pytest.raises(AssertionError, match="must not be more than maxWarm"):
        release.upgrade("pools.default.scaling.minWarm=11")


# ---- the definitions --------------------------------------------------------------------------


def account(api: ApiServer, namespace: str, tmp_path: Path) -> Path:
    """A folder as the kubelet mounts it, for the service account of the hook."""
    upgrade = subprocess.run(
        [programs.helm(), "template", "csp", CHART, "--namespace", namespace, "--is-upgrade",
         "--show-only", "templates/crds-upgrade.yaml"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    wanted = [d for d in upgrade.split("\n---\n") if "kind: Job" not in d]
    api.kubectl("apply", "-f", "-", input="\n---\n".join(wanted))
    (tmp_path / "token").write_text(
        api.kubectl("-n", namespace, "create", "token", "csp-crds").strip()
    )
    (tmp_path / "ca.crt").write_bytes(Path(api.ca).read_bytes())
    return tmp_path


def apply_crds(api: ApiServer, account: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """The hook's program against this API server."""
    program = (CHART / "files" / "apply_crds.py").read_text()
    place = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert place in program
    (account / "apply_crds.py").write_text(program.replace(place, str(account)))
    return subprocess.run(
        [sys.executable, account / "apply_crds.py", folder, api.url],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_an_upgrade_brings_the_definitions_up_to_date(release: Release, tmp_path: Path) -> None:
    release.install()
    api = release.api
    name = "agentpools.sessionplane.io"
    api.kubectl(
        "patch", "crd", name, "--type=json",
        "-p", '[{"op":"replace","path":"/spec/names/shortNames","value":["old"]}]',
    )  # fmt: skip
    folder = account(api, release.namespace, tmp_path)
    done = apply_crds(api, folder, ROOT / "crds")
    assert done.returncode == 0, done.stderr
    assert f"applied {name}" in done.stdout
    found = json.loads(api.kubectl("get", "crd", name, "-o", "json"))
    assert found["spec"]["names"]["shortNames"] == ["ap"]


def test_the_hook_may_change_these_definitions_and_nothing_else(
    release: Release, tmp_path: Path
) -> None:
    release.install()
    api = release.api
    mount = account(api, release.namespace, tmp_path)
    folder = tmp_path / "others"
    folder.mkdir()
    text = (ROOT / "crds" / "agentpools.sessionplane.io.yaml").read_text()
    (folder / "others.example.org.yaml").write_text(text)
    done = apply_crds(api, mount, folder)
    assert done.returncode == 1
    assert "forbidden" in done.stderr
    who = f"--as=system:serviceaccount:{release.namespace}:csp-crds"
    for verb, kind in (
        ("get", "secrets"),
        ("create", "pods"),
        ("delete", "customresourcedefinitions"),
    ):
        may = api.kubectl("auth", "can-i", verb, kind, who, "-n", release.namespace, check=False)
        assert may.startswith("no"), (verb, kind)


# ---- what an uninstall ends -------------------------------------------------------------------


def worker_pod(name: str, owner: dict[str, str] | None, **labels: str) -> str:
    """A pod as JSON; nothing runs it."""
    made = {"app.kubernetes.io/managed-by": "csp-operator"} if owner else {}
    reference = {**owner, "controller": True} if owner else None
    hardened = {
        "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    meta = {"name": name, "labels": made | labels, "ownerReferences": [reference] * bool(owner)}
    spec = {"containers": [{"name": "c", "image": "i", "securityContext": hardened}]}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})


def test_an_uninstall_ends_claimed_pods_and_nothing_of_somebody_elses(
    release: Release, tmp_path: Path
) -> None:
    api, namespace = release.api, release.namespace
    release.install()
    session = {
        "apiVersion": "sessionplane.io/v1alpha1", "kind": "AgentSession",
        "metadata": {"name": "stays"}, "spec": {"owner": "ada@example.com"},
    }  # fmt: skip
    api.kubectl("-n", namespace, "create", "-f", "-", input=json.dumps(session))
    uid = release.get("agentsession", "stays")["metadata"]["uid"]
    owner = {"apiVersion": session["apiVersion"], "kind": "AgentSession", "name": "stays",
             "uid": uid}  # fmt: skip
    for pod in (worker_pod("claimed", owner), worker_pod("somebodys", None)):
        api.kubectl("-n", namespace, "create", "-f", "-", input=pod)
    rendered = hook(namespace, "removal")
    release.helm("uninstall", "--no-hooks")
    api.kubectl("apply", "-f", "-", input=rendered["rest"])
    done = subprocess.run(
        [sys.executable, "-m", "csp_operator.removal"],
        env={
            **os.environ,
            "KUBECONFIG": str(as_account(api, namespace, "csp-removal", tmp_path)),
            "CSP_OPERATOR_NAMESPACES": rendered["namespaces"],
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1 pods of sessions and pools end\n"
    left = api.kubectl("-n", namespace, "get", "pods", "-o", "name").split()
    assert left == ["pod/somebodys"]
    assert release.get("agentsession", "stays")["metadata"]["uid"] == uid
    who = f"--as=system:serviceaccount:{namespace}:csp-removal"
    for verb, kind in (("create", "pods"), ("get", "secrets"), ("delete", "agentsessions")):
        may = api.kubectl("auth", "can-i", verb, kind, who, "-n", namespace, check=False)
        assert may.startswith("no"), (verb, kind)


def hook(namespace: str, name: str) -> dict[str, str]:
    """Its manifests without the Job, and the namespaces that the Job is given."""
    text = subprocess.run(
        [programs.helm(), "template", "csp", CHART, "--namespace", namespace,
         "--show-only", f"templates/{name}.yaml"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    made = [one for one in yaml.safe_load_all(text) if one]
    (job,) = (one for one in made if one["kind"] == "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "post-delete"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["python", "-m", "csp_operator.removal"]
    rest = yaml.safe_dump_all(one for one in made if one is not job)
    return {"rest": rest, "namespaces": container["env"][0]["value"]}


def as_account(api: ApiServer, namespace: str, name: str, folder: Path) -> Path:
    """A kubeconfig for a service account."""
    token = api.kubectl("-n", namespace, "create", "token", name).strip()
    place = folder / f"{name}.kubeconfig"
    cluster = {"server": api.url, "certificate-authority": str(api.ca)}
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "c", "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }  # fmt: skip
    place.write_text(yaml.safe_dump(config))
    return place


# ---- rights -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("account_name", "may", "may_not"),
    [
        (
            "csp-gateway",
            [
                "create agentsessions",
                "patch agentsessions/status",
                "get agentpools",
                "patch leases.coordination.k8s.io",
            ],
            ["get pods", "create pods", "get secrets", "patch agentpools", "get configmaps"],
        ),
        (
            "csp-operator",
            ["create pods", "patch agentsessions/status", "update leases.coordination.k8s.io"],
            ["get secrets", "create pods/exec", "get configmaps", "create serviceaccounts/token"],
        ),
        ("csp-model-proxy", [], ["get pods", "get secrets", "get agentsessions"]),
    ],
)
def test_each_account_may_do_its_work_and_no_more(
    release: Release, account_name: str, may: list[str], may_not: list[str]
) -> None:
    release.install()
    who = f"--as=system:serviceaccount:{release.namespace}:{account_name}"

    def allowed(words: str, namespace: str) -> bool:
        verb, kind = words.split()
        kind, _, sub = kind.partition("/")
        part = [f"--subresource={sub}"] if sub else []
        said = release.api.kubectl(
            "auth", "can-i", verb, kind, *part, who, "-n", namespace, check=False
        )
        return said.startswith("yes")

    assert [one for one in may if not allowed(one, release.namespace)] == []
    assert [one for one in may_not if allowed(one, release.namespace)] == []
    assert [one for one in may if allowed(one, "default")] == []
