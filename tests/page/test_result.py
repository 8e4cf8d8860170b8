"""Structured results: a table or a tree, and a file to keep."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from playwright.async_api import expect

from support.play import new_session
from support.stack import Stack
from support.visitor import Visitor
from support.worker_client import script, tool

pytestmark = pytest.mark.browser

SCHEMA = {"type": "object", "properties": {"boats": {"type": "array"}, "total": {"type": "number"}}}
RESULT = {"boats": [{"name": "Ida", "length": 7.5}, {"name": "Ada", "length": 12}], "total": 2}


async def test_a_result_is_a_table_a_tree_and_a_file(visitor: Visitor, page_stack: Stack) -> None:
    async with page_stack.client() as client:
        session = await new_session(client, options={"output_schema": SCHEMA})
    await visitor.open(session)
    await visitor.turn(script(tool("StructuredOutput", **RESULT)))
    result = visitor.page.locator("[data-result]")
    await expect(result.get_by_role("row")).to_have_count(3)
    await expect(result).to_contain_text("total: 2")
    async with visitor.page.expect_download() as download:
        await result.get_by_role("button", name="Export CSV").click()
    with Path(await (await download.value).path()).open(newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"name": "Ida", "length": "7.5"},
            {"name": "Ada", "length": "12"},
        ]
    async with visitor.page.expect_download() as download:
        await result.get_by_role("button", name="Export JSON").click()
    assert json.loads(Path(await (await download.value).path()).read_text()) == RESULT
    await result.get_by_role("button", name="Tree").click()
    await expect(result.get_by_role("group").first).to_contain_text("boats")
