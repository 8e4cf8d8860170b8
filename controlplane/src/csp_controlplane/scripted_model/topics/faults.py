"""Faults by name: what the API answers when it is overloaded, broken or unwilling."""

from __future__ import annotations

import re
from dataclasses import dataclass

from csp_controlplane.scripted_model.answers import Answer, Failure, Message, Text, say, words
from csp_controlplane.scripted_model.occurrences import Occurrences
from csp_controlplane.scripted_model.turns import Turn

_STATUS = re.compile(r"\berror\s+(?P<status>4\d\d|5\d\d)\b", re.IGNORECASE)
_ALWAYS = re.compile(r"\b(always|forever|every time)\b", re.IGNORECASE)
_MESSAGES = {
    400: "Scripted: this request was not valid.",
    401: "Scripted: invalid x-api-key",
    402: "Scripted: your credit balance is too low.",
    403: "Scripted: this key may not use this model.",
    404: "Scripted: no such model.",
    413: "Scripted: the request is too large.",
    429: "Scripted: too many requests. Wait a moment.",
    500: "Scripted: internal server error.",
    529: "Overloaded",
}


@dataclass(frozen=True, slots=True)
class Faults:
    """The topics that need to know whether they have happened before."""

    happened: Occurrences
    stall_s: float

    def error(self, turn: Turn) -> Answer:
        found = _STATUS.search(turn.prompt)
        status = int(found["status"]) if found else 500
        if not self._again(turn):
            return say(f"There was an error {status}, and this is the answer after the retry.")
        headers = {"retry-after": "1"} if status in (429, 529) else {}
        return Failure(status, _MESSAGES.get(status, f"Scripted error {status}."), headers=headers)

    def cut(self, turn: Turn) -> Answer:
        if not self._again(turn):
            return say("The connection was cut in the middle, and this is the answer after it.")
        return Message((_half_a_sentence(),), ending="cut")

    def stall(self, turn: Turn) -> Answer:
        if not self._again(turn):
            return say("The stream had stalled, and this is the answer after it.")
        return Message((_half_a_sentence(),), ending="stall", ending_s=self.stall_s)

    def _again(self, turn: Turn) -> bool:
        """Whether the fault happens: once for a message, or always if it says so."""
        key = f"{turn.session}|{turn.position}|{turn.step}|{turn.prompt}"
        return bool(_ALWAYS.search(turn.prompt)) or self.happened.count(key) == 1


def refuse(_turn: Turn) -> Answer:
    return Message((), stop_reason="refusal")


def refused(_turn: Turn) -> Answer:
    """What the CLI asks for after a refusal."""
    return say("I declined to go on with that. This is what a refusal looks like.")


def _half_a_sentence() -> Text:
    return Text(words("This answer begins as it should, but in the middle of the sentence"))
