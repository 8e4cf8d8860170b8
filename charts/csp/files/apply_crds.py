"""Brings csp's resource definitions up to date, before an upgrade of the rest.

Helm installs what is in crds/ once and never touches it again. Runs in a Job, in any image with a
Python, with a service account that may change these definitions and nothing else. Each file is one
definition; server-side apply under a manager of its own.
"""

import json
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
ATTEMPTS = 10
PAUSE_S = 3.0


def apply(server: str, token: str, ca: str, file: Path) -> str:
    """The definition's name. Raises OSError or HTTPError."""
    name = file.stem
    request = urllib.request.Request(  # noqa: S310 - the API server's address is https
        f"{server}/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
        "?fieldManager=csp-chart&force=true",
        data=file.read_bytes(),
        method="PATCH",
        headers={
            "Content-Type": "application/apply-patch+yaml",
            "Authorization": f"Bearer {token}",
        },
    )
    context = ssl.create_default_context(cafile=ca)
    with urllib.request.urlopen(request, timeout=20, context=context) as answer:  # noqa: S310
        return str(json.load(answer)["metadata"]["name"])


def main(folder: str, server: str = "https://kubernetes.default.svc") -> int:
    """0 when all of them are as in the folder."""
    token = (ACCOUNT / "token").read_text()
    for file in sorted(Path(folder).glob("*.yaml")):
        for attempt in range(1, ATTEMPTS + 1):
            try:
                sys.stdout.write(f"applied {apply(server, token, str(ACCOUNT / 'ca.crt'), file)}\n")
                break
            except urllib.error.HTTPError as error:
                reason = error.read().decode(errors="replace")
                if error.code < 500 and error.code not in (409, 429):
                    sys.stderr.write(f"{file.name}: the API server refuses: {reason}\n")
                    return 1
            except OSError as error:
                reason = str(error)
            sys.stderr.write(f"{file.name}: attempt {attempt} of {ATTEMPTS}: {reason}\n")
            time.sleep(PAUSE_S)
        else:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
