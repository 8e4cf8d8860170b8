"""What the images hold when they run, beyond what their Dockerfiles say."""

from __future__ import annotations

import pytest

from e2e.installation import Installation

_COMPONENTS = ("gateway", "model-proxy", "scripted-model", "operator", "egress-proxy", "worker")
_BUILD_TOOLS = (
    "pip",
    "pip3",
    "uv",
    "cc",
    "gcc",
    "c++",
    "g++",
    "clang",
    "ld",
    "as",
    "make",
    "cmake",
)
_LOOK = f"""
for tool in {" ".join(_BUILD_TOOLS)}; do command -v $tool; done
for python in python python3 /usr/bin/python3; do
  if $python -c "import pip" 2> /dev/null; then echo "$python has pip"; fi
done
true
"""


@pytest.mark.parametrize("component", _COMPONENTS)
def test_no_image_can_build_or_install_anything(installation: Installation, component: str) -> None:
    found = installation.warm_pods() if component == "worker" else installation.pods(component)
    said = installation.csp("exec", found[0]["metadata"]["name"], "--", "/bin/sh", "-c", _LOOK)
    assert said.split("\n") == [""]
