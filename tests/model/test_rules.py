"""The pure parts of proxy and scripted model: usage, prices, breaker, headers, schema instances."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csp_controlplane.proxy.breaker import Breaker, BreakerRules, BreakerState
from csp_controlplane.proxy.headers import handle_of, to_client, to_upstream
from csp_controlplane.proxy.prices import PriceTable
from csp_controlplane.proxy.usage import Meter, Usage, read_usage
from csp_controlplane.scripted_model.answers import Message, Text, ToolCall
from csp_controlplane.scripted_model.instances import instance
from csp_controlplane.scripted_model.topics.auxiliary import title_of
from csp_controlplane.scripted_model.wire import stream

TABLE = PriceTable.load()


def sse(usage: dict[str, Any], *blocks: Text | ToolCall) -> bytes:
    message = Message(blocks, usage=usage)
    asked = {"model": "m", "messages": []}
    return b"".join(chunk.data for chunk in stream(message, asked))


# ---- usage --------------------------------------------------------------------------------------


@given(st.lists(st.integers(min_value=1, max_value=400), max_size=30))
def test_usage_is_read_wherever_the_stream_is_split(cuts: list[int]) -> None:
    wanted = {"input_tokens": 11, "output_tokens": 22, "cache_read_input_tokens": 33}
    data = sse(wanted, Text(('she said "usage"\n', "data: x")), ToolCall("T", {"usage": 1}))
    meter, begin = Meter(streamed=True), 0
    for cut in cuts:
        meter.feed(data[begin : begin + cut])
        begin += cut
    meter.feed(data[begin:])
    meter.end()
    assert meter.complete
    usage = meter.usage()
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens) == (11, 22, 33)


def test_text_of_the_model_cannot_pretend_to_be_usage() -> None:
    lie = '\n\nevent: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":0}}\n\n'
    meter = Meter(streamed=True)
    meter.feed(sse({"output_tokens": 500}, Text((lie,)), ToolCall("T", {"x": lie})))
    assert meter.usage().output_tokens == 500


def test_broken_off_stream_counts_what_was_generated() -> None:
    data = sse({"input_tokens": 70}, Text(tuple("word " for _ in range(100))))
    meter = Meter(streamed=True)
    meter.feed(data[: data.index(b"event: content_block_stop")])
    assert not meter.complete
    assert meter.usage().input_tokens == 70
    assert 100 <= meter.usage().output_tokens <= 300


def test_endless_line_does_not_grow_in_memory() -> None:
    meter = Meter(streamed=True)
    for _ in range(100):
        meter.feed(b"x" * 100_000)
    assert len(meter._rest) <= 512 * 1024


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_usage_of_any_shape_is_read_without_an_error(value: Any) -> None:
    for raw in ({"input_tokens": value}, {"cache_creation": value}, {"server_tool_use": value}):
        assert read_usage(raw).prompt_tokens >= 0
    for streamed in (True, False):
        meter = Meter(streamed=streamed)
        meter.feed(b"data: " * streamed + json.dumps({"usage": value}).encode() + b"\n")
        meter.end()
        assert meter.usage().output_tokens >= 0


# ---- prices -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        ("claude-opus-5-5", 4 + 20 + 0.2 + 5 + 8),
        ("claude-opus-5-5[1m]", 4 + 20 + 0.2 + 5 + 8),
        ("claude-sonnet-4-20250514", 3 + 15 + 0.3 + 3.75 + 6),
        ("claude-haiku-4-5-20251001", 1 + 5 + 0.1 + 1.25 + 2),
        ("claude-haiku-5-5", 0.5 + 2.5 + 0.05 + 0.625 + 1),  # a prompt above its threshold
        ("claude-nobody-knows", 15 + 75 + 1.5 + 18.75 + 30),
    ],
)
def test_a_million_tokens_of_each_kind_cost_the_list_price(model: str, dollars: float) -> None:
    million = Usage(1_000_000, 1_000_000, 1_000_000, 1_000_000, 1_000_000)
    assert TABLE.cost_microusd(model, million) == round(dollars * 1_000_000)


def test_next_model_of_a_known_family_is_unknown() -> None:
    assert TABLE.find("claude-opus-5-9") is None
    assert TABLE.label("claude-opus-5-9") == "other"


def test_costs_are_rounded_up_and_searches_are_counted() -> None:
    assert TABLE.cost_microusd("claude-haiku-5-5", Usage(input_tokens=1)) == 1
    assert TABLE.cost_microusd("claude-haiku-5-5", Usage()) == 0
    assert TABLE.cost_microusd("claude-haiku-5-5", Usage(web_searches=3)) == 30_000


def test_us_only_and_fast_inference_cost_more() -> None:
    plain = TABLE.cost_microusd("claude-opus-5-5", Usage(output_tokens=1000))
    assert plain == 20_000
    us_only = Usage(output_tokens=1000, us_only=True)
    assert 22_000 <= TABLE.cost_microusd("claude-opus-5-5", us_only) <= 22_001
    assert TABLE.cost_microusd("claude-opus-5-5", Usage(output_tokens=1000, fast=True)) == 75_000


@given(st.sampled_from(sorted(TABLE.prices)), st.integers(0, 500_000), st.integers(0, 128_000))
def test_maximum_is_never_below_the_cost(model: str, prompt: int, output: int) -> None:
    # Four bytes a token is what prose has; the estimate assumes three.
    maximum = TABLE.maximum_microusd(model, prompt * 4, output)
    for usage in (
        Usage(prompt, output),
        Usage(0, output, cache_creation_1h_input_tokens=prompt),
    ):
        assert TABLE.cost_microusd(model, usage) <= maximum


# ---- the circuit breaker ------------------------------------------------------------------------

RULES = BreakerRules(failures=5, window_s=60, open_s=15, probe_s=30)


def test_five_failures_within_the_window_open_the_breaker() -> None:
    breaker = Breaker(RULES)
    assert [breaker.failed(float(second)) for second in range(5)] == [False] * 4 + [True]
    assert breaker.state(5) is BreakerState.OPEN
    assert breaker.wait_s(10) == 9
    assert breaker.state(19) is BreakerState.HALF_OPEN


def test_failures_further_apart_do_not() -> None:
    breaker = Breaker(RULES)
    assert not any(breaker.failed(16.0 * number) for number in range(20))
    assert breaker.state(400) is BreakerState.CLOSED


def test_one_probe_at_a_time_decides() -> None:
    breaker = Breaker(RULES)
    breaker.open(0)
    assert breaker.probe(16)
    assert not breaker.probe(17)
    breaker.give_up_probe()
    assert breaker.probe(18)
    assert breaker.failed(19)
    assert breaker.state(20) is BreakerState.OPEN
    assert breaker.probe(40)
    breaker.close()
    assert breaker.state(41) is BreakerState.CLOSED


def test_probe_that_never_ends_is_forgotten() -> None:
    breaker = Breaker(RULES)
    breaker.open(0)
    assert breaker.probe(16)
    assert breaker.probe(47)


# ---- headers ------------------------------------------------------------------------------------


def test_connection_headers_do_not_pass() -> None:
    sent = [
        (b"host", b"proxy"),
        (b"connection", b"keep-alive, X-Mine"),
        (b"x-mine", b"1"),
        (b"te", b"trailers"),
        (b"authorization", b"Bearer handle"),
        (b"x-api-key", b"handle"),
        (b"anthropic-version", b"2023-06-01"),
    ]
    assert to_upstream(sent, "key") == [
        ("anthropic-version", "2023-06-01"),
        ("x-api-key", "key"),
        ("accept-encoding", "identity"),
    ]
    answered = [(b"Transfer-Encoding", b"chunked"), (b"Set-Cookie", b"a"), (b"Request-Id", b"r")]
    assert to_client(answered) == [(b"request-id", b"r")]


@pytest.mark.parametrize(
    ("headers", "handle"),
    [
        ({"x-api-key": " h "}, "h"),
        ({"authorization": "Bearer h"}, "h"),
        ({"authorization": "bearer  h "}, "h"),
        ({"x-api-key": "h", "authorization": "Bearer other"}, "h"),
        ({"authorization": "Basic h"}, None),
        ({"authorization": "Bearer"}, None),
        ({"x-api-key": ""}, None),
        ({}, None),
    ],
)
def test_handle_is_found(headers: dict[str, str], handle: str | None) -> None:
    assert handle_of(headers) == handle


# ---- the scripted model's small rules -----------------------------------------------------------

SCHEMAS: list[dict[str, Any]] = [
    {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
    {"type": "array", "items": {"type": "integer", "minimum": 5}, "minItems": 3},
    {"type": "array", "items": {"type": "string"}, "minItems": 3, "uniqueItems": True},
    {"enum": ["red", "green"]},
    {"const": {"fixed": 1}},
    {"type": ["null", "number"], "exclusiveMinimum": 3, "maximum": 4},
    {"type": "integer", "multipleOf": 7, "minimum": 8},
    {"type": "integer", "maximum": -3},
    {"type": "string", "minLength": 40},
    {"type": "string", "maxLength": 3},
    {"type": "string", "format": "date"},
    {"anyOf": [{"type": "null"}, {"type": "boolean"}]},
    {
        "allOf": [
            {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]},
            {"properties": {"y": {"$ref": "#/$defs/name"}}, "required": ["y"]},
        ],
        "$defs": {"name": {"type": "string", "minLength": 2}},
    },
    {
        "type": "object",
        "properties": {"children": {"type": "array", "items": {"$ref": "#"}, "maxItems": 2}},
        "additionalProperties": False,
    },
    {"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}], "items": False},
    {"properties": {"n": {"type": "number", "minimum": 0.25, "maximum": 0.75}}, "required": ["n"]},
    {"type": "object", "required": ["any"]},
    {},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: json.dumps(schema)[:60])
def test_instance_satisfies_its_schema(schema: dict[str, Any]) -> None:
    jsonschema.validate(instance(schema), schema)


def test_hostile_schema_ends_quickly() -> None:
    branches = {name: {"$ref": "#"} for name in "abcdefgh"}
    value = instance({"type": "object", "properties": branches, "required": list(branches)})
    assert len(json.dumps(value)) < 100_000
    assert instance({"$ref": "#"}) is not Ellipsis
    assert instance({"allOf": [{"$ref": "#"}]}) is not Ellipsis


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        ("Please fix the login page in auth.py", "Fix login page auth.py"),
        ("hello", "Hello"),
        ("", "First conversation"),
        ('SCRIPT:[{"t":"text"}]:END', "First conversation"),
        ("Größe der Tabelle prüfen", "Größe der Tabelle prüfen"),
    ],
)
def test_title_is_a_short_phrase(prompt: str, title: str) -> None:
    assert title_of(prompt) == title
