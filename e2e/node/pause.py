"""The image that every pod needs: one small program that holds the pod's namespaces.

Made here, because a node without a registry has nowhere to get it from.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path

NAME = "csp.invalid/pause:1"

# It waits, and collects the processes that it inherits.
_SOURCE = """
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void leave(int number) { (void)number; _exit(0); }
static void collect(int number) { (void)number; while (waitpid(-1, 0, WNOHANG) > 0) {} }

int main(void) {
  signal(SIGINT, leave);
  signal(SIGTERM, leave);
  signal(SIGCHLD, collect);
  for (;;) pause();
}
"""


def archive(directory: Path) -> Path:
    """The path of a docker archive with the image."""
    target = directory / "pause.tar"
    if target.exists():
        return target
    program = directory / "pause"
    subprocess.run(
        ["cc", "-x", "c", "-", "-static", "-Os", "-s", "-o", str(program)],
        input=_SOURCE,
        text=True,
        check=True,
    )
    layer = _tar({"pause": program.read_bytes()}, mode=0o755)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    encoded = json.dumps(config).encode()
    name = f"{hashlib.sha256(encoded).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [NAME], "Layers": ["layer.tar"]}]
    target.write_bytes(
        _tar({name: encoded, "layer.tar": layer, "manifest.json": json.dumps(manifest).encode()})
    )
    return target


def _tar(files: dict[str, bytes], mode: int = 0o644) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
