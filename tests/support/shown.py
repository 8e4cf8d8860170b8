"""What one client of one session was shown over the WebSocket, checked as strictly as can be.

Each message is compared with what came before: facts without a gap, a repetition or a step back;
text in its place; a fact that begins with the text that announced it. `agrees_with` compares what
was shown with the log.
"""

from __future__ import annotations

from typing import Any

Event = dict[str, Any]

_LONGEST_FACT = 500_000
"""Of longer texts the log keeps the beginning and the end."""


class Shown:
    """Over all connections of the client."""

    def __init__(self) -> None:
        self.seq = 0
        self.facts: list[Event] = []
        self.open: dict[str, bytearray] = {}
        """Text that is still being written, by event."""
        self.ended_previews: dict[str, bytearray] = {}
        """What had been shown of them when they were withdrawn or their turn ended."""
        self.acks: dict[str, list[Event]] = {}
        self.errors: list[Event] = []
        self.hello: Event = {}
        self._problem: BaseException | None = None
        self._caught_up = False

    def types(self) -> list[str]:
        return [event["type"] for event in self.facts]

    def of(self, *types: str) -> list[Event]:
        """Facts of these types, in order."""
        return [event for event in self.facts if event["type"] in types]

    def text(self) -> str:
        """All that the agent said."""
        return "".join(_text(event) for event in self.of("agent.message"))

    def sentences(self) -> list[str]:
        """Notices and errors: what a person reads about what happened."""
        return [
            event["message"] if event["type"] == "session.notice" else event["error"]["message"]
            for event in self.of("session.notice", "session.error")
        ]

    def agrees_with(self, log: list[Event]) -> None:
        """Raises AssertionError unless the log holds exactly what was shown, in this order."""
        self._raise_problem()
        assert [event["seq"] for event in log] == list(range(1, len(log) + 1))
        shown = [{"seq": seq, **event} for seq, event in enumerate(self.facts, start=1)]
        assert shown == log[: len(shown)]
        assert len(shown) == len(log), f"not shown: {[e['type'] for e in log[len(shown) :]]}"
        ids = [event["id"] for event in log]
        assert len(set(ids)) == len(ids)
        for acknowledged in self.acks.values():
            for event in acknowledged:
                stored = log[event["seq"] - 1]
                assert (stored["id"], stored["type"]) == (event["id"], event["type"])

    def _take(self, message: Event) -> None:
        match message["type"]:
            case "hello":
                self.hello = message
            case "events":
                self._facts(message["first_seq"], message["events"])
            case "previews":
                for event in message["events"]:
                    self._preview(event)
            case "preview_withdrawn":
                self._withdraw(message["event_id"])
            case "caught_up":
                assert message["seq"] == self.seq, f"caught up at {message['seq']}, not {self.seq}"
                self._caught_up = True
            case "ack":
                known = self.acks.setdefault(message["client_id"], message["data"])
                assert known == message["data"], f"acknowledged as {known} and {message['data']}"
            case "error":
                self.errors.append(message)
            case "pong":
                pass
            case other:
                raise AssertionError(f"unknown message {other!r}")

    def _facts(self, first_seq: int, events: list[Event]) -> None:
        assert first_seq == self.seq + 1, f"seq {first_seq} after {self.seq}"
        for event in events:
            self.seq += 1
            self.facts.append(event)
            announced = self.open.pop(event["id"], None)
            if announced is not None and len(announced) < _LONGEST_FACT:
                whole = _text(event).encode()
                assert whole.startswith(announced), f"{event['id']} is not what was announced"
            if event["type"] == "span.turn_end":
                # Its turn has no more text; a gateway that showed some also withdraws it.
                for event_id in tuple(self.open):
                    self._withdraw(event_id)

    def _withdraw(self, event_id: str) -> None:
        if event_id in self.open:
            self.ended_previews[event_id] = self.open.pop(event_id)

    def _preview(self, event: Event) -> None:
        if event["type"] == "event_start":
            self.open.setdefault(event["event"]["id"], bytearray())
            return
        assert event["type"] == "event_delta", event
        event_id, content = event["event_id"], event["delta"]["content"]
        assert event_id in self.open, f"text of {event_id}, which nothing announced"
        text = str(content.get("text") or content.get("thinking") or "").encode()
        have, offset = self.open[event_id], event["offset"]
        assert offset <= len(have), f"{event_id}: offset {offset} after {len(have)} bytes"
        again = have[offset : offset + len(text)]
        assert text.startswith(again), f"{event_id}: {text!r} in place of {again!r}"
        have += text[len(again) :]

    def _raise_problem(self) -> None:
        if self._problem is not None:
            raise AssertionError(f"the gateway broke the protocol: {self._problem}")


def _text(event: Event) -> str:
    if event["type"] == "agent.thinking":
        return str(event["thinking"])
    return "".join(block["text"] for block in event.get("content", ()) if "text" in block)
