"""What a request costs at list price, and what it can cost at most.

Money is counted in whole micro-dollars, rounded up; a rate in nano-dollars per token is exact for
every published price. A model that the table does not know is charged like the dearest one in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from importlib import resources
from typing import Any, Self

import orjson

from csp_controlplane.proxy.metrics import OTHER_MODEL
from csp_controlplane.proxy.usage import Usage

_NANO_PER_MICRO = 1000
# A dated release, or the variant with a long context, costs what its model costs.
_VARIANT = re.compile(r"(-\d{8}|-latest)?(\[\w+\])?$")
_BYTES_PER_TOKEN = 3


@dataclass(frozen=True, slots=True)
class Rates:
    """Nano-dollars per token."""

    input: int
    output: int
    cache_write_5m: int
    cache_write_1h: int
    cache_read: int

    @classmethod
    def read(cls, raw: dict[str, Any]) -> Self:
        """From US dollars per million tokens."""
        return cls(*(int(Decimal(raw[name]) * 1000) for name in cls.__slots__))


@dataclass(frozen=True, slots=True)
class Price:
    """The rates of a model, and those for prompts above a size."""

    model: str
    rates: Rates
    long_above: int | None = None
    long_rates: Rates | None = None

    def rates_for(self, prompt_tokens: int) -> Rates:
        if self.long_above is not None and self.long_rates and prompt_tokens > self.long_above:
            return self.long_rates
        return self.rates


@dataclass(frozen=True)
class PriceTable:
    """Prices by model."""

    prices: dict[str, Price]
    web_search_nano: int
    us_only_factor: Decimal

    @classmethod
    def load(cls) -> Self:
        """The table that ships with the proxy."""
        file = resources.files("csp_controlplane.proxy").joinpath("prices.json")
        raw = orjson.loads(file.read_bytes())
        return cls(
            {model: _price(model, entry) for model, entry in raw["models"].items()},
            int(Decimal(raw["web_search"]) * 1_000_000_000),
            Decimal(raw["us_only_factor"]),
        )

    @cached_property
    def dearest(self) -> Price:
        return max(self.prices.values(), key=lambda p: (p.rates.output, p.rates.input))

    def find(self, model: str) -> Price | None:
        """The model's own price, or None for a model that is not in the table."""
        return self.prices.get(_VARIANT.sub("", model))

    def label(self, model: str) -> str:
        """A name from a small fixed set, for metrics."""
        price = self.find(model)
        return price.model if price else OTHER_MODEL

    def cost_microusd(self, model: str, usage: Usage) -> int:
        """The cost of what was used."""
        price = self.find(model) or self.dearest
        # Faster inference has prices of its own that are not in the table.
        rates = (self.dearest if usage.fast else price).rates_for(usage.prompt_tokens)
        nano = (
            usage.input_tokens * rates.input
            + usage.output_tokens * rates.output
            + usage.cache_read_input_tokens * rates.cache_read
            + usage.cache_creation_5m_input_tokens * rates.cache_write_5m
            + usage.cache_creation_1h_input_tokens * rates.cache_write_1h
        )
        if usage.us_only:
            nano = int(nano * self.us_only_factor) + 1
        nano += usage.web_searches * self.web_search_nano
        return -(-nano // _NANO_PER_MICRO)

    def maximum_microusd(self, model: str, body_bytes: int, max_tokens: int) -> int:
        """The most that a request of this size can cost before its answer is known."""
        tokens = body_bytes // _BYTES_PER_TOKEN + 1
        rates = (self.find(model) or self.dearest).rates_for(tokens)
        nano = tokens * max(rates.input, rates.cache_write_1h) + max_tokens * rates.output
        return -(-nano // _NANO_PER_MICRO)

    def input_microusd(self, model: str, body_bytes: int) -> int:
        """About what the input alone costs, for an answer of which nothing was seen."""
        tokens = body_bytes // (_BYTES_PER_TOKEN + 1) + 1
        rates = (self.find(model) or self.dearest).rates_for(tokens)
        return -(-tokens * rates.input // _NANO_PER_MICRO)


def _price(model: str, raw: dict[str, Any]) -> Price:
    above = raw.get("long_prompt")
    if above is None:
        return Price(model, Rates.read(raw))
    return Price(model, Rates.read(raw), int(above["above_tokens"]), Rates.read(above))
