"""`helm test`: whether the parts of a release answer, and refuse what they must refuse.

Runs in any image with a Python. Prints one line a check and exits with 1 when one failed.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping

TIMEOUT_S = 10
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def answer(url: str, opener: urllib.request.OpenerDirector = _direct) -> tuple[int, str]:
    """Status and body, whatever the status."""
    try:
        with opener.open(url, timeout=TIMEOUT_S) as found:
            return found.status, found.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def gateway_is_ready(url: str) -> str:
    status, body = answer(f"{url}/api/v1/health/ready")
    checks = json.loads(body)["checks"]
    said = "; ".join(f"{name}: {check['message']}" for name, check in checks.items())
    if status != 200:
        raise AssertionError(f"answers {status}. {said}")
    return said


def gateway_refuses_strangers(url: str) -> str:
    status, _ = answer(f"{url}/api/v1/sessions")
    if status != 401:
        raise AssertionError(f"a request without a key was answered with {status}, not 401")
    return "a request without a key is refused"


def model_proxy_is_ready(url: str) -> str:
    status, body = answer(f"{url}/health/ready")
    if status != 200:
        raise AssertionError(f"answers {status}: {body}")
    return body


def model_proxy_refuses_strangers(url: str) -> str:
    status, _ = answer(f"{url}/v1/models")
    if status != 401:
        raise AssertionError(f"a request without a handle was answered with {status}, not 401")
    return "a request without a handle is refused"


def egress_is_blocked(proxy: str) -> str:
    """Cloud metadata is on nobody's list."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy}))
    status, _ = answer("http://169.254.169.254/latest/meta-data/", opener)
    if status != 403:
        raise AssertionError(f"cloud metadata was answered with {status}, not 403")
    return "cloud metadata is refused"


def main(environment: Mapping[str, str]) -> int:
    gateway, model = environment["CSP_TEST_GATEWAY"], environment["CSP_TEST_MODEL_PROXY"]
    egress = environment.get("CSP_TEST_EGRESS_PROXY")
    checks: list[tuple[str, Callable[[str], str], str]] = [
        ("gateway", gateway_is_ready, gateway),
        ("gateway", gateway_refuses_strangers, gateway),
        ("model proxy", model_proxy_is_ready, model),
        ("model proxy", model_proxy_refuses_strangers, model),
    ]
    if egress:
        checks.append(("egress proxy", egress_is_blocked, egress))
    failed = 0
    for name, check, url in checks:
        try:
            sys.stdout.write(f"ok      {name}: {check(url)}\n")
        except (AssertionError, OSError, ValueError, KeyError) as error:
            failed += 1
            sys.stdout.write(f"FAILED  {name} at {url}: {error}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
