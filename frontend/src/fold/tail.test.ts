import { expect, test } from "vitest";
import { ask, fold, says, start, tool } from "./samples";
import { rowsToFill } from "./tail";
import type { View } from "./view";

const itemsOf = (view: View) => view.rows.map((id) => view.items.get(id));

test("a long answer fills the window alone", () => {
  const items = itemsOf(fold(ask("u1"), start("t1", "u1"), says("a1", "line\n".repeat(40))));
  expect(rowsToFill(items, 700)).toBe(1);
});

test("short rows are taken until they fill the window", () => {
  const steps = Array.from({ length: 30 }, (_, n) => tool(`b${n}`, "Bash"));
  const items = itemsOf(fold(ask("u1"), start("t1", "u1"), ...steps));
  expect(rowsToFill(items, 360)).toBe(10);
});

test("no more than a few are drawn at first, and no more than there are", () => {
  const steps = Array.from({ length: 30 }, (_, n) => tool(`b${n}`, "Bash"));
  expect(rowsToFill(itemsOf(fold(...steps)), 10_000)).toBe(14);
  expect(rowsToFill(itemsOf(fold(ask("u1"))), 10_000)).toBe(1);
});
