"""proto/src/csp_proto: messages, services and their types from proto/worker.proto.

protoc derives import paths from the file's folder, so it works on a copy in a folder with the
package's name.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from prepare.steps import ROOT

_SOURCE = ROOT / "proto" / "worker.proto"
_TARGET = ROOT / "proto" / "src" / "csp_proto"


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        package = Path(temporary) / "csp_proto"
        package.mkdir()
        shutil.copy(_SOURCE, package)
        # The plugin for service types is a program beside this interpreter.
        plugin = Path(sys.executable).with_name("protoc-gen-mypy_grpc")
        subprocess.run(
            [sys.executable, "-m", "grpc_tools.protoc", "-I.", "--python_out=.", "--pyi_out=.",
             "--grpc_python_out=.", "--mypy_grpc_out=quiet:.",
             f"--plugin=protoc-gen-mypy_grpc={plugin}", f"csp_proto/{_SOURCE.name}"],
            cwd=temporary,
            check=True,
        )  # fmt: skip
        for made in package.glob("*_pb2*"):
            shutil.copy(made, _TARGET)
