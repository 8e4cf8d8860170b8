"""`helm test`: whether the cluster's network plugin enforces network policies at all.

Runs in a pod whose policy lets it reach nothing but DNS, and tries to reach the gateway, which lets
everybody in. Whoever gets through tells that policies are only paper here.
"""

import socket
import sys
import time

WARNING = """\
WARNING: NETWORK POLICIES ARE NOT ENFORCED on this cluster: a pod that may reach nothing reached
{target}. Workers can then reach everything that the network lets them reach. Use a network plugin
that enforces NetworkPolicy, for example Calico or Cilium, before agents run untrusted work.
"""
# Policies need a moment after a pod has its address.
SETTLE_S = 5.0
TIMEOUT_S = 3.0


def reaches(host: str, port: int) -> bool:
    """Whether a connection comes about."""
    try:
        socket.create_connection((host, port), timeout=TIMEOUT_S).close()
    except OSError:
        return False
    return True


def main(host: str, port: str, require: str, settle_s: str = str(SETTLE_S)) -> int:
    """1 when policies are not enforced and that is required."""
    time.sleep(float(settle_s))
    if not reaches(host, int(port)):
        sys.stdout.write("ok      network policies are enforced\n")
        return 0
    sys.stdout.write(WARNING.format(target=f"{host}:{port}"))
    return 1 if require == "true" else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
