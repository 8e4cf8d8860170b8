"""What everybody can use: axe on what is shown, and targets that a finger hits."""

from __future__ import annotations

from typing import Any

from prepare.steps import ROOT
from support.visitor import Visitor

AXE = ROOT / "frontend/node_modules/axe-core/axe.min.js"
SMALL = 43.5
"""Pixels: 44 with what a fraction of a pixel takes away."""


async def no_violations(visitor: Visitor) -> None:
    """Everything that axe knows, on what is shown now."""
    # Transitions are over before colours are measured.
    await visitor.page.evaluate("Promise.all(document.getAnimations().map(a => a.finished))")
    await visitor.page.evaluate(AXE.read_text())
    found: dict[str, Any] = await visitor.page.evaluate(
        "axe.run(document, {resultTypes: ['violations']})"
    )
    assert [
        (violation["id"], [node["target"] for node in violation["nodes"]], violation["help"])
        for violation in found["violations"]
    ] == []


async def small_targets(visitor: Visitor) -> list[str]:
    """Controls under 44 pixels; links in running text are exempt, as in WCAG."""
    found: list[str] = await visitor.page.evaluate(
        """(small) => [...document.querySelectorAll("button, a, input, textarea, summary")]
            .filter((e) => e.checkVisibility({ visibilityProperty: true }))
            .filter((e) => !(e.tagName === "A" && e.closest("p, li p, [data-depth]")))
            .map((e) => ({ e, box: (e.closest("label") ?? e).getBoundingClientRect() }))
            .filter(({ box }) => box.width > 0 && box.right > 0 && box.top >= 0)
            .filter(({ box }) => box.width < small || box.height < small)
            .map(({ e, box }) => `${e.outerHTML.slice(0, 120)} ${box.width}x${box.height}`)""",
        SMALL,
    )
    return found
