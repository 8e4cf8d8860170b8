"""The `csp` command. Each subcommand is a module that is imported when it is used.

Foreseen failures are one sentence on standard error and an exit code of ExitCode; everything else
is a defect and shows its traceback.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer
from pydantic import ValidationError

from csp_controlplane.cli import settings_file
from csp_controlplane.cli.administration import keys, months, users
from csp_controlplane.errors import ApiError
from csp_controlplane.supervisor.errors import MEANINGS, CommandError, ExitCode

_EXIT_CODES = "\n".join(f"  {code:3d}  {meaning}" for code, meaning in MEANINGS.items())

app = typer.Typer(
    name="csp",
    help="""Claude Session Plane: agent sessions in your browser, on your machine.

    Everything is kept in the directory of CSP_DATA_DIR. Settings are environment variables, or
    lines of NAME=value in csp.env of that directory; the environment wins.
    """,
    epilog=f"\b\nExit codes:\n{_EXIT_CODES}",
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

    Starts PostgreSQL (unless CSP_DATABASE_URL is set), Valkey (unless CSP_REDIS_URL is set), a
    scripted model (unless ANTHROPIC_API_KEY is set), the model proxy, the gateway and warm spare
    workers. What dies is started again. Logs are in logs/ of the data directory, one file a part.

    Ctrl-C or SIGTERM stops all of it in order; a second Ctrl-C does not wait.
    """
    from csp_controlplane.cli.up import run_up

    raise typer.Exit(run_up(host=host, port=port, gateways=gateways))


@app.command()
def login(
    email: Annotated[
        str | None, typer.Option(help="Who to sign in. Default: the first user.")
    ] = None,
) -> None:
    """Print a new one-time sign-in link for the running csp. It is good for 15 minutes.

    In a gateway's pod it is a link for that installation.
    """
    from csp_controlplane.cli.login import print_link

    print_link(email)


@app.command()
def chat(
    prompt: Annotated[
        str | None,
        typer.Argument(help="What to say. Absent: a conversation, or standard input when piped."),
    ] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="ID", help="Go on with this session.")
    ] = None,
    agent: Annotated[str | None, typer.Option(metavar="ID", help="Agent of a new session.")] = None,
    model: Annotated[str | None, typer.Option(help="Model of a new session.")] = None,
    json_lines: Annotated[
        bool, typer.Option("--json", help="Print each event of the log as one line of JSON.")
    ] = False,
    approve: Annotated[
        bool,
        typer.Option("--approve", help="Allow every tool use. Without a terminal all are denied."),
    ] = False,
) -> None:
    """Talk to a session. The answer is on standard output, the rest on standard error.

    When a tool asks, y allows it, n denies it, a allows its kind for the session, and anything
    else denies it and tells the agent that. Ctrl-C stops the turn, a second one leaves; the
    session goes on.

    Uses the csp that runs on this machine, or the gateway of CSP_URL with CSP_API_KEY. Exit
    codes: 0 answered, 1 the turn failed, 130 interrupted.
    """
    from csp_controlplane.cli.chat.command import chat as run_chat

    code = run_chat(
        prompt, resume=resume, agent=agent, model=model, json_lines=json_lines, approve=approve
    )
    raise typer.Exit(code)


@app.command()
def sessions(
    archived: Annotated[bool, typer.Option("--archived", help="Archived ones too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List your sessions, newest first."""
    from csp_controlplane.cli.sessions import list_sessions

    list_sessions(archived=archived, limit=limit, json_output=json_output)


@app.command()
def doctor(
    port: Annotated[
        int, typer.Option(envvar="CSP_GATEWAY_PORT", min=1, max=65535, help="Port to check.")
    ] = 8400,
    host: Annotated[
        str, typer.Option(envvar="CSP_GATEWAY_HOST", help="Address to check.")
    ] = "127.0.0.1",
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Check whether csp can run here, and say what to do where it cannot.

    Exit code 1 when something must be fixed; warnings do not count.
    """
    from csp_controlplane.cli.doctor.command import doctor as run_doctor

    raise typer.Exit(run_doctor(host=host, port=port, json_output=json_output))


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write, e.g. csp.tar.gz.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
) -> None:
    """Write database, keys and workspaces into one file. csp may be running."""
    from csp_controlplane.cli.backup.command import backup as run_backup

    run_backup(file, force=force)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `csp backup` wrote.")],
    force: Annotated[
        bool, typer.Option("--force", help="Replace what the data directory holds.")
    ] = False,
) -> None:
    """Bring a backup back, into an empty data directory. csp must not be running."""
    from csp_controlplane.cli.backup.command import restore as run_restore

    run_restore(file, force=force)


@app.command("export")
def export(
    session: Annotated[str, typer.Argument(help="The session's id, as `csp sessions` shows it.")],
    file: Annotated[Path | None, typer.Argument(help="Where to. Absent: standard output.")] = None,
    format_: Annotated[
        str,
        typer.Option("--format", help="jsonl (whole, can be imported), markdown or html."),
    ] = "jsonl",
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
) -> None:
    """Write a session into a file.

    Uses the csp that runs on this machine, or the gateway of CSP_URL with CSP_API_KEY.
    """
    from csp_controlplane.cli.transfer import export_session

    export_session(session, file, format_=format_, force=force)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="JSON Lines of `csp export`; - is standard input.")],
    agent: Annotated[
        str | None, typer.Option(metavar="ID", help="Who goes on with it. Default: the first.")
    ] = None,
) -> None:
    """Bring an exported session back, and print its id.

    Uses the csp that runs on this machine, or the gateway of CSP_URL with CSP_API_KEY.
    """
    from csp_controlplane.cli.transfer import import_session

    import_session(file, agent=agent)


app.add_typer(users, name="users")
app.add_typer(keys, name="keys")
app.add_typer(months, name="months")


def main() -> None:
    """The console script's entry."""
    _say_little()
    try:
        settings_file.load_into_environment()
        app(standalone_mode=True)
    except CommandError as error:
        _fail(error.message, error.code)
    except ApiError as error:
        _fail(error.message, ExitCode.REFUSED)
    except ValidationError as error:
        sentence = settings_file.sentence(error)
        if sentence is None:
            raise
        _fail(sentence, ExitCode.USAGE)


def _say_little() -> None:
    """What parts of csp log is for files; a command has words of its own. `csp up` logs all."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _fail(message: str, code: int) -> None:
    typer.echo(f"csp: {message}", err=True)
    sys.exit(int(code))


if __name__ == "__main__":
    main()
