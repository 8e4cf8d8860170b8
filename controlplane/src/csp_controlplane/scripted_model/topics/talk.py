"""Answers in words: what can be tried, a long one, a slow one, and anything else."""

from __future__ import annotations

from dataclasses import replace

from csp_controlplane.scripted_model.answers import Answer, Message, Text, say, words
from csp_controlplane.scripted_model.topics.quoting import topic_of
from csp_controlplane.scripted_model.turns import Turn

_HELP = """\
I'm a **scripted model**: no API key is set, so what I say comes from a script. Everything around \
me is real: the agent, its tools and its files. The cost is what a real model would have charged; \
nobody pays it. Try one of these:

- **list files** or **run: uname -a** uses the shell, after you allow it
- **create hello.py** writes a file and runs it; **edit hello.py** changes it
- **search for Hello** looks through the workspace
- **ask me something** asks you a question with choices
- **make a plan** works off a list of tasks
- **plan first**, in the mode *Plan only*, makes a plan that you accept or send back
- **think about it** shows folded thinking
- **research with a subagent** starts a helper
- **run something in the background** goes on while we talk
- **write a long answer** shows tables and code; **answer slowly** leaves time to interrupt me
- **error 529**, **cut the stream**, **stall** or **refuse** show what happens when things go wrong

Set `ANTHROPIC_API_KEY` and start again to talk to a real model."""

_LONG = """\
# A long answer

This one has everything that an answer can have. It is *scripted*, and it is streamed **word by \
word**, so you can watch the page keep up.

## A table

| Part | What it does | Keeps state |
|---|---|:---:|
| Gateway | Serves the page and the API | no |
| Worker | Runs one agent and its tools | its own session |
| Model proxy | Holds the key and counts the cost | no |
| PostgreSQL | Keeps the log of every session | **yes** |

## Code in several languages

```python
from collections.abc import Iterator

def fibonacci(limit: int) -> Iterator[int]:
    a, b = 0, 1
    while a < limit:
        yield a
        a, b = b, a + b

print(list(fibonacci(100)))
```

```typescript
type Event = { seq: number; type: string };

export function newest(events: readonly Event[]): Event | undefined {
  return events.reduce<Event | undefined>((a, b) => (a && a.seq > b.seq ? a : b), undefined);
}
```

```sql
select type, count(*) as how_many
from events
group by type
order by how_many desc
limit 5;
```

```diff
- the old line
+ the new line
```

## A list with levels

1. First, something simple.
   - with a detail
   - and another one, with `inline code`
2. Then a task list:
   - [x] done
   - [ ] not done yet
3. And a [link that goes nowhere](https://example.com/).

> A quotation, because somebody always needs one. It is long enough to wrap on a small screen, \
which is the point of having it here.

## Some prose

"""

_PROSE = """\
Paragraph {number}. A real answer of this length would have something to say; this one only has to \
be long, so that you can scroll, stop it half way, copy a part of it, and see that the page stays \
smooth while text arrives. Nothing in it depends on what you asked.

"""


def help_(_turn: Turn) -> Answer:
    return say(_HELP)


def long(_turn: Turn) -> Answer:
    prose = "".join(_PROSE.format(number=number) for number in range(1, 9))
    return say(f"{_LONG}{prose}---\n\nThat was all of it.")


def slow(_turn: Turn, before_s: float) -> Answer:
    text = (
        "That took a while, and the rest comes slowly too. Press the stop button, or Ctrl+Shift+X, "
        "to interrupt me: what I have said by then is kept. "
    )
    counting = " ".join(f"{number}," for number in range(1, 31)) + " and done."
    return replace(_message(text + counting), before_s=before_s, word_s=0.25 if before_s else 0.0)


def attached(turn: Turn) -> Answer:
    listed = "\n".join(f"- {attachment}" for attachment in turn.attachments)
    return say(
        f"I received what you attached:\n\n{listed}\n\n"
        f"and your message: “{topic_of(turn.prompt)}”. "
        "A scripted model cannot look inside; a real one can."
    )


def anything(turn: Turn) -> Answer:
    if not turn.prompt:
        return say("There was no text in that message. Say **help** to see what you can try.")
    return say(
        f"You wrote: “{topic_of(turn.prompt)}”\n\nI'm a scripted model, so I cannot really answer "
        "that, but everything around me is real. Some things that do work:\n\n"
        "- **list files**: a real command, which you allow first\n"
        "- **create hello.py**: a real file\n"
        "- **ask me something**: a question with choices\n\n"
        "Say **help** for the whole list, or set `ANTHROPIC_API_KEY` to talk to a real model."
    )


def _message(text: str) -> Message:
    return Message((Text(words(text)),))
