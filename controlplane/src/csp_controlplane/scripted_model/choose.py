"""Which topic answers: one ordered table, first match wins."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from csp_controlplane.scripted_model.answers import Answer
from csp_controlplane.scripted_model.language import find_script, play
from csp_controlplane.scripted_model.occurrences import Occurrences
from csp_controlplane.scripted_model.settings import ScriptedSettings
from csp_controlplane.scripted_model.topics import faults, files, helpers, people, shell, talk
from csp_controlplane.scripted_model.topics.auxiliary import auxiliary
from csp_controlplane.scripted_model.turns import Turn

Topic = Callable[[Turn], Answer]


@dataclass(frozen=True, slots=True)
class Rule:
    """A topic and what the person says to get it."""

    says: re.Pattern[str]
    topic: Topic


class Chooser:
    """Answers turns. Keeps only how often each fault has happened."""

    def __init__(self, settings: ScriptedSettings) -> None:
        self.happened = Occurrences()
        self._rules = _rules(
            faults.Faults(self.happened, settings.stall_seconds), settings.slow_seconds
        )

    def answer(self, turn: Turn) -> Answer:
        """The answer to the turn's next step."""
        own = auxiliary(turn)
        if own is not None:
            return own
        script = find_script(turn.prompt)
        if script is not None:
            key = f"{turn.session}|{turn.position}"
            return play(script, turn.step, key, self.happened)
        return helpers.with_structure(turn, self._topic(turn)(turn))

    def _topic(self, turn: Turn) -> Topic:
        if turn.notification is not None:
            return shell.finished
        for rule in self._rules:
            if rule.says.search(turn.prompt):
                return rule.topic
        if turn.attachments:
            return talk.attached
        greets = turn.is_first and len(turn.prompt.split()) <= 2
        return talk.help_ if greets else talk.anything


def _rules(fault: faults.Faults, slow_s: float) -> tuple[Rule, ...]:
    def slow(turn: Turn) -> Answer:
        return talk.slow(turn, slow_s)

    table: tuple[tuple[str, Topic], ...] = (
        (f"^{re.escape(helpers.HELPER_TASK)}", shell.list_files),
        (r"^Your response above was stopped by a safety classifier", faults.refused),
        (r"\berror\s+[45]\d\d\b", fault.error),
        (r"\bcut (the )?(stream|connection)\b", fault.cut),
        (r"\bstall\b", fault.stall),
        (r"\brefuse\b", faults.refuse),
        (r"\b(sub-?agents?|research|send a helper)\b", helpers.subagent),
        (r"\bbackground\b", shell.background),
        (r"^\s*(please |can you )?(run|execute)\b|\brun( the command)? *[:`]", shell.run),
        (r"\b(list|show)( me)?( all)?( the)? (files|directory|folder)|^\s*ls\b", shell.list_files),
        (r"\bask me\b|\bquestion\b.*\bchoices\b", people.ask),
        (r"\bplan (it )?first\b|\bpropose a plan\b|\bplan mode\b", people.propose),
        (r"\b(plan|to-?dos?|task list)\b", people.plan),
        (r"\bthink\b|\bthinking\b", people.think),
        (r"\b(edit|change|modify)\b", files.edit),
        (r"\b(write|create|make)\b.*(\bfile\b|\w\.[a-z]\w{0,7}\b)", files.write),
        (r"\b(read|open|show)\b.*\w\.[a-z]\w{0,7}\b", files.read),
        (r"\b(search|grep|look)\b.*\bfor\b", files.search),
        (r"\bstructured\b|\bjson schema\b", helpers.structured),
        (r"\bslow(ly)?\b", slow),
        (r"\blong\b", talk.long),
        (r"\bhelp\b|\bwhat can (i|you)\b|^\s*(hello|hi|hey)\b[\s!.]*$", talk.help_),
    )
    flags = re.IGNORECASE | re.DOTALL
    return tuple(Rule(re.compile(says, flags), topic) for says, topic in table)
