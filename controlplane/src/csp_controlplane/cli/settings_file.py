"""Settings from a file: `csp.env` in the data directory, for what is to hold at every start.

Lines of NAME=value, with # for comments. The environment wins over the file. Every command reads
it first, so that `csp doctor` and `csp backup` see what `csp up` sees.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from csp_controlplane.supervisor.errors import CommandError, ExitCode
from csp_controlplane.supervisor.settings import DataSettings

NAME = "csp.env"
_ALSO_ALLOWED = {"ANTHROPIC_API_KEY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE"}


def load(environment: MutableMapping[str, str]) -> None:
    """Adds what the file sets and the environment does not. Raises CommandError."""
    file = DataSettings().dir.expanduser() / NAME
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(
            f"The settings file {file} cannot be read: {error}.", ExitCode.USAGE
        ) from error
    for name, value in parse(text, file).items():
        environment.setdefault(name, value)


def parse(text: str, file: Path) -> dict[str, str]:
    """The settings in a file's text. Raises CommandError naming the line."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip().removeprefix("export ")
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not (name.startswith("CSP_") or name in _ALSO_ALLOWED):
            raise CommandError(
                f"{file}, line {number}: expected CSP_NAME=value, and found {name[:40]!r}.",
                ExitCode.USAGE,
            )
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        found[name] = value
    return found


def sentence(error: ValidationError) -> str | None:
    """What is wrong with a setting, by the name of its variable; None: it is no setting."""
    settings = {one.__name__: one for one in BaseSettings.__subclasses__()}.get(error.title)
    if settings is None:
        return None
    first = error.errors(include_url=False, include_input=False)[0]
    place = "_".join(str(part) for part in first["loc"]).upper()
    if not place.startswith("CSP_"):
        place = str(settings.model_config.get("env_prefix", "")) + place
    return f"{place} is not a possible value: {first['msg']}. See docs/reference/settings.md."


def load_into_environment() -> None:
    """For the process's entry."""
    load(os.environ)
