"""containerd in the box, with its network plugins, and images given to it from archives."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from e2e.node.box import Box, InsideProcess
from e2e.node.pause import NAME as PAUSE
from support.waiting import wait_until_sync

SOCKET = "/run/containerd/containerd.sock"
_PLUGINS = "/usr/lib/cni"

_CONFIG = """
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Without CAP_SYS_RESOURCE no process may lower its score, and every sandbox would fail.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{networks}"
"""


class ContainerRuntime:
    """One containerd. It dies with its box."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self.process: InsideProcess | None = None

    def start(self) -> None:
        """Returns when it answers."""
        networks = self._box.directory / "networks"
        networks.mkdir(exist_ok=True)
        (networks / "10-bridge.conflist").write_text(json.dumps(self._network()))
        config = self._box.directory / "containerd.toml"
        config.write_text(
            _CONFIG.format(socket=SOCKET, pause=PAUSE, plugins=_PLUGINS, networks=networks)
        )
        program = shutil.which("containerd") or "containerd"
        self.process = self._box.inside([program, "--config", config], name="containerd")

        def answers() -> bool:
            if self.process is None or not self.process.running:
                raise RuntimeError("containerd ended at its start")
            try:
                self._ctr("version")
            except RuntimeError:
                return False
            return True

        wait_until_sync(answers, 60, "containerd answering")

    def load(self, archive: Path) -> None:
        """Makes the images of a docker archive available to pods."""
        # Unpacked here and now, so that no pod's start has to wait for it.
        self._ctr("images", "import", str(archive), timeout=600)

    def images(self) -> list[str]:
        return self._ctr("images", "list", "-q").splitlines()

    def remove_image(self, name: str) -> None:
        self._ctr("images", "remove", name)

    def _ctr(self, *arguments: str, timeout: float = 60) -> str:
        ctr = ("ctr", "--address", SOCKET, "--namespace", "k8s.io")
        return self._box.run(*ctr, *arguments, timeout=timeout)

    def _network(self) -> dict[str, object]:
        addresses = {
            "type": "host-local",
            "ranges": [[{"subnet": self._box.addresses.pods}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        bridge = {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "ipMasq": False,
            "hairpinMode": True,
            "ipam": addresses,
        }
        ports = {"type": "portmap", "capabilities": {"portMappings": True}}
        return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, ports]}
