"""The `csp` command. Each subcommand is a module that is imported when it is used.

Foreseen failures are one sentence on standard error and an exit code of ExitCode; everything else
is a defect and shows its traceback.
"""

from __future__ import annotations

import sys
from typing import Annotated, Optional

import typer

from csp_controlplane.errors import ApiError
from csp_controlplane.supervisor.errors import CommandError, ExitCode

app = typer.Typer(
    name="csp",
    help="Claude Session Plane: agent sessions in your browser, on your machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)


@app.command()
def up(
    port: Annotated[
        int,
        typer.Option(
            envvar="CSP_GATEWAY_PORT", min=1, max=65535, help="Port of the page and the API."
        ),
    ] = 8400,
    host: Annotated[
        str, typer.Option(envvar="CSP_GATEWAY_HOST", help="Address to listen on.")
    ] = "127.0.0.1",
    gateways: Annotated[
        int, typer.Option(min=1, max=16, help="Gateways, on this port and the next ones.")
    ] = 1,
) -> None:
    """Start everything and print a sign-in link. Runs until Ctrl-C.

    Without ANTHROPIC_API_KEY a scripted model answers. Everything is kept in CSP_DATA_DIR.
    """
    from csp_controlplane.cli.up import run_up

    raise typer.Exit(run_up(host=host, port=port, gateways=gateways))


@app.command()
def login(
    email: Annotated[
        Optional[str], typer.Option(help="Who to sign in. Default: the first user.")  # noqa: UP045
    ] = None,
) -> None:
    """Print a new one-time sign-in link for the running csp."""
    from csp_controlplane.cli.login import print_link

    print_link(email)


def main() -> None:
    """The console script's entry."""
    try:
        app(standalone_mode=True)
    except CommandError as error:
        _fail(error.message, error.code)
    except ApiError as error:
        _fail(error.message, ExitCode.REFUSED)


def _fail(message: str, code: int) -> None:
    typer.echo(f"csp: {message}", err=True)
    sys.exit(int(code))


if __name__ == "__main__":
    main()
