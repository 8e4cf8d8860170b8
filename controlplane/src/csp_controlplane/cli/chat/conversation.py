"""One conversation: what is typed goes in, what happens is shown, what is asked is answered."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from csp_controlplane.cli.chat import answers
from csp_controlplane.cli.chat.socket import Refused, SessionSocket
from csp_controlplane.cli.chat.terminal import Keyboard, Screen
from csp_controlplane.cli.chat.transcript import Transcript
from csp_controlplane.cli.connection import Gateway
from csp_controlplane.supervisor.errors import CommandError, ExitCode

_CODES = {
    "completed": ExitCode.OK,
    "interrupted": ExitCode.INTERRUPTED,
    "error": ExitCode.FAILED,
}


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """What `csp chat` was asked for. `prompt` None: read from the person, turn by turn."""

    prompt: str | None
    approve: bool
    json_lines: bool


class Conversation:
    """One session, from its connection to the end of the command."""

    def __init__(self, gateway: Gateway, session: dict[str, Any], options: ChatOptions) -> None:
        self._options = options
        self._screen = Screen(json_lines=options.json_lines)
        self._keyboard = Keyboard()
        self._transcript = Transcript(session["seq"])
        self._socket = SessionSocket(
            gateway, session["id"], self._transcript.resume_point, self._screen.say
        )
        self._session_id: str = session["id"]
        self._unfinished: set[str] = set()
        self._turn_runs = session["status"] == "running"
        self._idle = asyncio.Event()
        self._outcome = "completed"
        self._open: dict[str, dict[str, Any]] = {}
        self._answering: tuple[str, asyncio.Task[None]] | None = None
        self._interrupted = False
        self._leave = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, waiting: list[dict[str, Any]]) -> int:
        """`waiting`: tool uses that waited already. Returns the exit code."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._on_interrupt)
        reading = asyncio.create_task(self._read(), name="read")
        leaving = asyncio.create_task(self._leave.wait(), name="leave")
        talking = asyncio.create_task(self._talk(), name="talk")
        for event in waiting:
            self._ask(event)
        try:
            async with self._keyboard.reading():
                await asyncio.wait({reading, talking, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                await reading
            if talking.done():
                await talking
                return _CODES.get(self._outcome, ExitCode.FAILED)
            return ExitCode.INTERRUPTED
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            tasks = {reading, talking, leaving, *self._tasks}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._screen.say(f"Go on with: csp chat --resume {self._session_id}")

    async def _talk(self) -> None:
        if self._options.prompt is not None:
            await self._say(self._options.prompt)
            await self._until_idle()
            return
        if self._turn_runs:
            await self._until_idle()
        while True:
            self._screen.ask("> ")
            line = await self._keyboard.line()
            if line is None:
                return
            if line.strip():
                await self._say(line)
                await self._until_idle()

    async def _say(self, text: str) -> None:
        self._interrupted = False
        self._outcome = "completed"
        message = {"type": "user.message", "content": [{"type": "text", "text": text}]}
        try:
            committed = await self._socket.send(message)
        except Refused as refusal:
            raise CommandError(str(refusal), ExitCode.REFUSED) from None
        self._unfinished.update(item["id"] for item in committed if item["type"] == "user.message")

    async def _until_idle(self) -> None:
        self._idle.clear()
        if self._unfinished or self._turn_runs:
            await self._idle.wait()

    # ---- what the gateway says ------------------------------------------------------------------

    async def _read(self) -> None:
        async for message in self._socket.messages():
            match message["type"]:
                case "events":
                    for event in self._transcript.events(message):
                        self._on_fact(event)
                case "previews" | "preview_withdrawn":
                    for piece in self._transcript.previews(message):
                        self._screen.show(piece)
                case "error":
                    self._screen.say(message["error"]["message"])

    def _on_fact(self, event: dict[str, Any]) -> None:
        self._screen.event(event)
        for piece in self._transcript.fact(event):
            self._screen.show(piece)
        match event["type"]:
            case "span.turn_start":
                self._turn_runs = True
            case "span.turn_end":
                self._turn_runs = False
                self._settle(set(event.get("message_ids") or ()), event["outcome"])
                self._drop_questions()
            case "user.message_cancel":
                self._settle({event["message_id"]}, "interrupted")
            case "user.tool_confirmation":
                self._answered(event["tool_use_id"])
            case "session.status_terminated" | "session.deleted":
                self._turn_runs = False
                self._settle(set(self._unfinished), "error")
        if answers.asks(event):
            self._ask(event)

    def _settle(self, messages: set[str], outcome: str) -> None:
        if messages & self._unfinished:
            self._outcome = outcome
        self._unfinished -= messages
        if not self._unfinished and not self._turn_runs:
            self._idle.set()

    # ---- what the agent asks --------------------------------------------------------------------

    def _ask(self, event: dict[str, Any]) -> None:
        if not self._keyboard.interactive:
            self._start(self._send(answers.unattended(event, approve=self._options.approve)))
        elif self._options.approve and not answers.questions(event):
            self._start(self._send(answers.unattended(event, approve=True)))
        else:
            self._open[event["id"]] = event
            self._ask_next()

    def _ask_next(self) -> None:
        if self._answering is None and self._open:
            name, event = next(iter(self._open.items()))
            self._answering = (name, self._start(self._answer(event)))

    async def _answer(self, event: dict[str, Any]) -> None:
        await self._send(await answers.attended(event, self._keyboard, self._screen))

    def _answered(self, name: str) -> None:
        """Here or elsewhere: the prompt, if it is this one's, is taken back."""
        self._open.pop(name, None)
        if self._answering is not None and self._answering[0] == name:
            self._answering = None
            self._ask_next()

    def _drop_questions(self) -> None:
        self._open.clear()
        if self._answering is not None:
            self._answering[1].cancel()
            self._answering = None

    async def _send(self, event: dict[str, Any]) -> None:
        try:
            await self._socket.send(event)
        except Refused as refusal:
            self._screen.say(str(refusal))

    def _start(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work, name="answer")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # ---- Ctrl-C ---------------------------------------------------------------------------------

    def _on_interrupt(self) -> None:
        """The first stops the turn; without one, or the second time, it ends the command."""
        busy = self._turn_runs or bool(self._unfinished)
        if not busy or self._interrupted:
            self._leave.set()
            return
        self._interrupted = True
        self._screen.say("Interrupting. Press Ctrl-C again to leave.")
        with suppress(RuntimeError):
            self._start(self._send({"type": "user.interrupt"}))
