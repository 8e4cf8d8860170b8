"""Whatever a tool prints becomes an event that the log takes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csp_worker.event import EVENT_LIMIT, encode
from csp_worker.outputs import Outputs, WholeOutput
from csp_worker.text import cap, clean
from csp_worker.toolresult import shape
from support.worker_client import Gateway, WorkerProcess, say, script, spec, tool
from worker.conftest import NewGateway

FREE = spec(default_permission="allow", permissions={})
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


async def output_of(gateway: Gateway, command: str) -> dict[str, Any]:
    await gateway.turn(script(tool("Bash", command=command), say("done")), 60)
    return gateway.log.of("agent.tool_result")[-1]


async def test_awkward_output_of_real_commands_arrives(
    worker: WorkerProcess, new_gateway: NewGateway
) -> None:
    gateway = await new_gateway(worker).open(FREE)

    nul = await output_of(gateway, r"printf 'a\000b'")
    assert json.dumps(nul["content"]).startswith('[{"type": "text"')
    invalid = await output_of(gateway, r"printf 'x\377\376y'")
    assert "\ufffd" in invalid["content"][0]["text"]
    surrogate = await output_of(gateway, r"printf 'x\355\240\200y'")
    surrogate["content"][0]["text"].encode()
    big = await output_of(gateway, "head -c 5000000 /dev/zero | tr '\\0' q")
    assert len(json.dumps(big)) < EVENT_LIMIT
    wide = await output_of(gateway, "head -c 5000000 /dev/zero")
    assert len(json.dumps(wide)) < EVENT_LIMIT
    assert (await gateway.turn(script(say("still well"))))["outcome"] == "completed"


async def test_a_lone_surrogate_from_the_model_is_replaced(gateway: Gateway) -> None:
    end = await gateway.turn('{"x"} SCRIPT:[{"t":"text","text":"a\\u0000b"}]:END')

    assert end["outcome"] == "completed"
    assert gateway.log.text() == "a\x00b"


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("plain", "plain"),
        ("nul\x00", "nul\x00"),
        ("lone\ud800x", "lone\ufffdx"),
        ("low\udc00", "low\ufffd"),
        ("pair\ud83d\ude00", "pair\U0001f600"),
    ],
)
def test_lone_surrogates_become_replacement_characters(given_text: str, expected: str) -> None:
    assert clean(given_text) == expected


def test_long_text_keeps_its_head_and_its_tail() -> None:
    kept, cut = cap("a" * 1000 + "b" * 1000, 200)
    assert kept.startswith("a" * 100 + "\n")
    assert kept.endswith("\n" + "b" * 100)
    assert cut == 1800


@settings(deadline=None)
@given(st.text(max_size=400), st.integers(0, 100))
def test_what_is_kept_and_what_is_cut_are_all_of_it(text: str, limit: int) -> None:
    kept, cut = cap(text, limit)
    kept.encode()
    if cut == 0:
        assert kept == text
    else:
        marker = f"\n[... {cut} bytes left out ...]\n"
        assert len(kept.encode()) - len(marker) + cut == len(text.encode())


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=300))
def test_every_text_becomes_valid_json(text: str) -> None:
    event = encode("sevt_1", "agent.message", {"content": [{"type": "text", "text": text}]}, NOW)
    assert json.loads(event.payload)["content"][0]["text"] == clean(text)


def test_a_payload_begins_with_its_id_and_type() -> None:
    event = encode("sevt_1", "agent.message", {"a": 1, "left_out": None}, NOW)
    assert event.payload == (
        b'{"id":"sevt_1","type":"agent.message","processed_at":"2026-01-02T03:04:05.000+00:00","a":1}'
    )


@pytest.mark.parametrize("letter", ["a", "\x00", "\u2028", "ä", "\U0001f600", "\ud800", '"'])
def test_no_event_is_larger_than_the_log_takes(letter: str) -> None:
    fields = {"content": [{"type": "text", "text": letter * 2_000_000}], "input": {letter: "x"}}
    event = encode("sevt_1", "agent.tool_result", fields, NOW)
    assert len(event.payload) <= EVENT_LIMIT
    assert json.loads(event.payload)["truncated_bytes"] > 0


def test_even_a_million_small_strings_fit() -> None:
    event = encode("sevt_1", "agent.tool_use", {"input": {"x": ["y"] * 1_000_000}}, NOW)
    assert len(event.payload) <= EVENT_LIMIT


def test_a_result_says_how_much_was_cut() -> None:
    result = shape("e" * 5_000_000, None)
    assert result.truncated_bytes > 4_700_000
    assert len(result.content[0]["text"]) < 300_000


def test_a_picture_that_is_too_large_is_named_instead() -> None:
    picture = {"type": "image", "source": {"type": "base64", "data": "A" * 4_000_000}}
    assert shape([picture], None).content == [
        {"type": "text", "text": "[image of 3000000 bytes left out]"}
    ]


def test_output_that_is_in_both_places_is_kept_once() -> None:
    result = shape("out", {"stdout": "out\n", "stderr": "", "interrupted": False})
    assert result.details is None
    assert shape("out", {"stdout": "other", "stderr": "bad"}).details == {
        "stdout": "other", "stderr": "bad",
    }  # fmt: skip


def test_only_output_of_the_clis_own_directory_is_put_among_the_files(tmp_path: Path) -> None:
    config, workspace = tmp_path / "config", tmp_path / "workspace"
    for directory in (config, workspace):
        directory.mkdir()
    for name in ("config/out.txt", "secret.txt"):
        (tmp_path / name).write_text("abc")
    (config / "link.txt").symlink_to(tmp_path / "secret.txt")
    outputs = Outputs(config, lambda: workspace)

    kept = outputs.keep("sevt_1", {"persistedOutputPath": str(config / "out.txt")})
    assert kept == WholeOutput(".csp/outputs/sevt_1.txt", 3)
    assert (workspace / kept.path).read_text() == "abc"
    for elsewhere in ("secret.txt", "config/link.txt", "config/absent.txt", "config/../secret.txt"):
        given = {"persistedOutputPath": str(tmp_path / elsewhere)}
        assert outputs.keep("sevt_2", given) is None
    assert outputs.keep("sevt_3", {"stdout": "abc"}) is None
    assert [path.name for path in (workspace / ".csp/outputs").iterdir()] == ["sevt_1.txt"]
