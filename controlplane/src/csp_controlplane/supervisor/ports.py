"""Ports of the local installation: whether one is free, and finding one that is."""

from __future__ import annotations

import errno
import socket

from csp_controlplane.supervisor.errors import CommandError, ExitCode


def check_free(host: str, port: int, setting: str) -> None:
    """Raises CommandError, naming the setting, when nothing can listen there."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise CommandError(
            f"There is no address {host!r} to listen on: set another with CSP_GATEWAY_HOST.",
            ExitCode.USAGE,
        ) from error
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise CommandError(_why(error, host, port, setting), ExitCode.PORT_TAKEN) from error


def _why(error: OSError, host: str, port: int, setting: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is taken by another program: choose another with {setting}."
    if error.errno == errno.EACCES:
        return f"This user may not listen on port {port}: choose one above 1023 with {setting}."
    return f"Nothing can listen on {host}:{port} ({error.strerror}): choose another with {setting}."


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
