"""What a cluster says while tests run: its events and its pods' logs, in the tests' own output.

Without it a failure on a cluster is a line that says that something did not become ready. Events
are shown as they come; of the logs, warnings, errors and what is not a log line of ours. All of
it goes to files, and a failing test shows what was said while it ran.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_LONGEST_LINE = 240
_QUIET_LEVELS = {"debug", "info"}


@dataclass(frozen=True, slots=True)
class Line:
    """`at`: of time.monotonic()."""

    at: float
    source: str
    text: str

    def __str__(self) -> str:
        text = self.text if len(self.text) <= _LONGEST_LINE else f"{self.text[:_LONGEST_LINE]}..."
        return f"[{self.source}] {text}"


class Streams:
    """Follows a cluster from `start` to `close`."""

    def __init__(self, kubectl: Sequence[str], folder: Path, show: Callable[[str], None]) -> None:
        """`show` is called from threads, with a line for the person who watches."""
        self._kubectl = [*kubectl]
        self._folder = folder
        self._show = show
        self._lines: deque[Line] = deque(maxlen=50_000)
        self._processes: list[subprocess.Popen[str]] = []
        self._threads: list[threading.Thread] = []
        self._pods: set[str] = set()
        self._lock = threading.Lock()
        self._closed = False

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._follow(
            "events",
            ["get", "events", "-A", "--watch-only", "-o", "json", "--output-watch-events"],
            self._event_reader(),
        )
        self._follow(
            "pods",
            ["get", "pods", "-A", "--watch", "--no-headers", "-o",
             "custom-columns=N:.metadata.namespace,P:.metadata.name,S:.status.phase,U:.metadata.uid"],
            self._pod,
        )  # fmt: skip

    def since(self, begin: float) -> str:
        """Everything that was said since this time of the monotonic clock."""
        return "\n".join(str(line) for line in tuple(self._lines) if line.at >= begin)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            processes, threads = [*self._processes], [*self._threads]
        for process in processes:
            process.terminate()
        for thread in threads:
            thread.join(10)

    def _follow(self, name: str, arguments: list[str], take: Callable[[str], None]) -> None:
        with self._lock:
            if self._closed:
                return
            process = subprocess.Popen(
                [*self._kubectl, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                errors="replace",
            )
            self._processes.append(process)

        def read() -> None:
            # Leaving the block closes the pipe and waits for the process.
            with process:
                assert process.stdout is not None
                for line in process.stdout:
                    take(line.rstrip("\n"))
            with self._lock:
                self._processes.remove(process)
                self._threads.remove(thread)
            if name in ("events", "pods") and not self._closed:
                # The API server was away, or ended the watch.
                time.sleep(1)
                self._follow(name, arguments, take)

        thread = threading.Thread(target=read, name=f"stream-{name}", daemon=True)
        with self._lock:
            self._threads.append(thread)
        thread.start()

    def _event_reader(self) -> Callable[[str], None]:
        """kubectl prints each object over several lines."""
        parts: list[str] = []

        def take(line: str) -> None:
            parts.append(line)
            if line != "}":
                return
            try:
                event = json.loads("\n".join(parts))["object"]
            except (ValueError, KeyError):
                event = None
            parts.clear()
            if event is not None:
                about = event.get("involvedObject", {})
                name = f"{about.get('kind', '?').lower()}/{about.get('name', '?')}"
                text = f"{event.get('type')} {event.get('reason')}: {event.get('message')}"
                self._take(f"event {name}", text, shown=True)

        return take

    def _pod(self, line: str) -> None:
        namespace, name, phase, uid = (*line.split(), "", "", "", "")[:4]
        if phase in ("", "Pending") or uid in self._pods:
            return
        self._pods.add(uid)
        file = self._folder / f"{namespace}-{name}.log"

        def take(line: str) -> None:
            with file.open("a") as log:
                log.write(f"{line}\n")
            self._take(name, line, shown=_is_loud(line))

        self._follow(
            f"{name}",
            ["-n", namespace, "logs", "--follow", "--all-containers", "--tail=-1", name],
            take,
        )

    def _take(self, source: str, text: str, *, shown: bool) -> None:
        line = Line(time.monotonic(), source, text)
        self._lines.append(line)
        if shown and not self._closed:
            self._show(str(line))


def _is_loud(line: str) -> bool:
    try:
        entry = json.loads(line)
    except ValueError:
        return "error" in line.lower() or "traceback" in line.lower()
    return isinstance(entry, dict) and entry.get("level", "info") not in _QUIET_LEVELS
