"""Subcommands for whoever runs an installation: people, keys, and what is kept."""

from __future__ import annotations

from typing import Annotated

import typer

Email = Annotated[str | None, typer.Option(help="Whose key it is. Default: the first user's.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]

users = typer.Typer(help="Add and list people.", no_args_is_help=True, rich_markup_mode=None)


@users.command("add")
def users_add(
    email: Annotated[str, typer.Argument(help="Their address: what they sign in with.")],
    name: Annotated[str | None, typer.Option(help="How the page calls them.")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="May manage agents and keys.")] = False,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read a password from standard input.")
    ] = False,
) -> None:
    """Add a person. Without a password, a one-time link is printed."""
    from csp_controlplane.cli.users import add

    add(email, name=name, admin=admin, password_stdin=password_stdin)


@users.command("list")
def users_list(
    json_output: Json = False,
) -> None:
    """List everybody."""
    from csp_controlplane.cli.users import list_all

    list_all(json_output=json_output)


@users.command("erase")
def users_erase(
    email: Annotated[str, typer.Argument(help="Whose data goes.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a person's sessions, files, keys and name for good. csp must be running."""
    from csp_controlplane.cli.erase import erase_person

    erase_person(email, yes=yes)


keys = typer.Typer(
    help="Make, list and revoke API keys of programs.", no_args_is_help=True, rich_markup_mode=None
)


@keys.command("add")
def keys_add(
    name: Annotated[str, typer.Argument(help="What it is for, e.g. laptop.")],
    email: Email = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Ends after so many days. Default: never.")
    ] = None,
) -> None:
    """Make a key and print it. It is shown this once; csp keeps only its hash."""
    from csp_controlplane.cli.keys import add

    add(name, email=email, days=days)


@keys.command("list")
def keys_list(json_output: Json = False) -> None:
    """List everybody's keys that are not revoked, newest first."""
    from csp_controlplane.cli.keys import list_all

    list_all(json_output=json_output)


@keys.command("revoke")
def keys_revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `csp keys list` shows it.")],
) -> None:
    """Refuse a key from now on."""
    from csp_controlplane.cli.keys import revoke

    revoke(key_id)


months = typer.Typer(
    help="See and drop what is kept, month by month.", no_args_is_help=True, rich_markup_mode=None
)


@months.command("list")
def months_list(
    json_output: Json = False,
) -> None:
    """List the months in which sessions were begun, with the size of their logs."""
    from csp_controlplane.cli.months import list_months

    list_months(json_output=json_output)


@months.command("drop")
def months_drop(
    month: Annotated[str, typer.Argument(help="Such as 2026-01.")],
    idle_days: Annotated[
        int, typer.Option(min=0, help="Refuse while a session was used within so many days.")
    ] = 30,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete all sessions that were begun in a month, with their logs and transcripts.

    Writing to logs pauses for a moment. A gateway removes the sessions' files within the next hour.
    Works with CSP_DATABASE_MIGRATION_URL, where it is set.
    """
    from csp_controlplane.cli.months import drop_month

    drop_month(month, idle_days=idle_days, yes=yes)
