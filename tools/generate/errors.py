"""docs/reference/errors.md: the table of error types, from the error tree."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from csp_controlplane.errors import ApiError
from generate.markdown import page, table
from prepare.steps import ROOT

TARGET = ROOT / "docs" / "reference" / "errors.md"
_INTRODUCTION = """\
Every refusal of the API has Anthropic's shape:

```json
{"type": "error", "error": {"type": "not_found_error", "message": "..."}}
```

`message` is a sentence for a person: what was wrong, where, and what to do. Programs decide by
`type`, which is stable, or by the HTTP status."""


def main() -> None:
    rows = sorted({(str(e.status), f"`{e.type}`", _meaning(e)) for e in _tree(ApiError)})
    parts = [_INTRODUCTION, table(["Status", "Type", "Meaning"], rows)]
    TARGET.write_text(page("Errors", "csp_controlplane/errors.py", parts))


def _meaning(error: type[ApiError]) -> str:
    if error is ApiError:
        return "Something unexpected went wrong. The gateway's log has the reason."
    return inspect.getdoc(error) or ""


def _tree(root: type[ApiError]) -> Iterator[type[ApiError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)
