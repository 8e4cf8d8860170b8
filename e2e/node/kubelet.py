"""The kubelet and kube-proxy in the box, and the cluster's names."""

from __future__ import annotations

import json

from e2e.node import binaries
from e2e.node.box import Box, InsideProcess
from e2e.node.cgroups import Cgroups
from e2e.node.controlplane import ControlPlane
from e2e.node.runtime import SOCKET
from support.processes import ServerProcess

NAME = "node0"
DOMAIN = "cluster.local"


class Kubelet:
    def __init__(self, box: Box, head: ControlPlane) -> None:
        self._box, self._head = box, head
        self.process: InsideProcess | None = None
        address = box.addresses.node
        self._serving = head.authority.issue(
            "kubelet", f"system:node:{NAME}", hosts=[address, NAME]
        )
        self._config = box.directory / "kubelet.json"
        self._config.write_text(json.dumps(self._settings(box.cgroups)))
        self._client = head.kubeconfig(f"system:node:{NAME}", groups=["system:nodes"])

    def start(self) -> None:
        """Also after `kill`; the node is Ready a few seconds later."""
        program = binaries.require("kubelet")["kubelet"]
        self.process = self._box.inside(
            [
                program, "--config", self._config, "--kubeconfig", self._client,
                "--hostname-override", NAME, "--node-ip", self._box.addresses.node,
                "--node-labels", "topology.kubernetes.io/zone=zone0", "--v=2",
            ],
            name="kubelet",
        )  # fmt: skip

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()

    def _settings(self, cgroups: Cgroups) -> dict[str, object]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self._box.addresses.node,
            "authentication": {
                "x509": {"clientCAFile": str(self._head.authority.files.certificate)},
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(self._serving.certificate),
            "tlsPrivateKeyFile": str(self._serving.key),
            "containerRuntimeEndpoint": f"unix://{SOCKET}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{cgroups.name}",
            "failCgroupV1": False,
            "enforceNodeAllocatable": [],
            "failSwapOn": False,
            "oomScoreAdj": 0,
            "clusterDNS": [self._box.addresses.node],
            "clusterDomain": DOMAIN,
            "resolvConf": "",
            "maxPods": 150,
            "healthzPort": 0,
            "serializeImagePulls": False,
            # A test that deletes a pod waits for it; a second is long enough for a status.
            "syncFrequency": "10s",
            "nodeStatusUpdateFrequency": "4s",
            "registryPullQPS": 0,
            "eventRecordQPS": 0,
            "kubeAPIQPS": 200,
            "kubeAPIBurst": 400,
            # The disk belongs to the machine: how full it is must not evict a test's pods.
            "evictionHard": {"memory.available": "100Mi"},
            "imageGCHighThresholdPercent": 100,
            "imageMinimumGCAge": "24h",
            "imageMaximumGCAge": "0s",
            "protectKernelDefaults": False,
            "makeIPTablesUtilChains": True,
            "shutdownGracePeriod": "0s",
        }


def start_proxy(box: Box, head: ControlPlane) -> InsideProcess:
    """kube-proxy: what makes a Service's address lead to its pods."""
    config = box.directory / "kube-proxy.json"
    settings = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": box.addresses.pods,
        "clientConnection": {"kubeconfig": str(head.kubeconfig("system:kube-proxy"))},
        "hostnameOverride": NAME,
        "bindAddress": box.addresses.node,
        "healthzBindAddress": f"{box.addresses.node}:10256",
        "metricsBindAddress": f"{box.addresses.node}:10249",
        "oomScoreAdj": 0,
        # The limits belong to the machine; zero leaves them as they are.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
        "iptables": {"syncPeriod": "30s", "minSyncPeriod": "0.2s"},
    }
    config.write_text(json.dumps(settings))
    program = binaries.require("kube-proxy")["kube-proxy"]
    return box.inside([program, "--config", config], name="kube-proxy")


def start_names(box: Box, head: ControlPlane) -> ServerProcess:
    """CoreDNS on the node's address. It answers the cluster's names and no others."""
    corefile = box.directory / "Corefile"
    kubeconfig = head.kubeconfig("csp-e2e:dns", groups=["system:masters"])
    corefile.write_text(
        f"{DOMAIN}:53 {{\n"
        f"  bind {box.addresses.node}\n"
        "  errors\n"
        f"  kubernetes {DOMAIN} {{\n    kubeconfig {kubeconfig}\n    ttl 1\n  }}\n"
        "}\n"
    )
    program = binaries.require("coredns")["coredns"]
    return ServerProcess(
        [*box.network, program, "-conf", corefile], log=box.directory / "coredns.log"
    )
