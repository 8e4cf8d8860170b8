"""What everything else stands on: the release answers, is locked down, and says so."""

from __future__ import annotations

import json

from e2e.installation import RELEASE, Installation


def test_helm_test_passes(installation: Installation) -> None:
    said = installation.helm("test", RELEASE, "--logs", "--timeout=120s")
    assert "FAILED" not in said, said


def test_every_pod_meets_the_restricted_standard(installation: Installation) -> None:
    """The API server's own admission looks at what is there and warns about what is not."""
    program = ["label", "--dry-run=server", "--overwrite", "namespace", "csp"]
    said = installation.kubectl(*program, "pod-security.kubernetes.io/enforce=restricted")
    assert "violate" not in said.lower(), said


def test_no_worker_has_a_service_account_token(installation: Installation) -> None:
    for pod in installation.get("pods", "-l", "sessionplane.io/pool=default"):
        assert pod["spec"]["automountServiceAccountToken"] is False
        mounts = json.dumps(pod["spec"]["containers"])
        assert "serviceaccount" not in mounts
