"""Subcommands for whoever runs an installation: people, and what is kept."""

from __future__ import annotations

from typing import Annotated

import typer

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
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
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


months = typer.Typer(
    help="See and drop what is kept, month by month.", no_args_is_help=True, rich_markup_mode=None
)


@months.command("list")
def months_list(
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
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

    Writing to logs pauses for a moment. Works with CSP_DATABASE_MIGRATION_URL, where it is set.
    """
    from csp_controlplane.cli.months import drop_month

    drop_month(month, idle_days=idle_days, yes=yes)
