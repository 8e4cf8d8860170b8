import { expect, test } from "vitest";
import { asTree, commonEvents } from "./family";

const member = (id: string, parent: string | null = null, forked_seq: number | null = null) => ({
  id,
  parent,
  forked_seq,
});
const FAMILY = [member("a"), member("b", "a", 10), member("c", "b", 4), member("d", "a", 20)];
const length = () => 100;

test("a family is placed below what it was forked from", () => {
  const placed = asTree(FAMILY).map(({ member: { id }, depth }) => [id, depth]);
  expect(placed).toEqual([
    ["a", 0],
    ["b", 1],
    ["c", 2],
    ["d", 1],
  ]);
});

test("children of a deleted parent are roots", () => {
  const placed = asTree(FAMILY.slice(1)).map(({ member: { id }, depth }) => [id, depth]);
  expect(placed).toEqual([
    ["b", 0],
    ["c", 1],
    ["d", 0],
  ]);
});

test.each([
  ["a parent and its fork", "a", "b", 10],
  ["the same the other way round", "b", "a", 10],
  ["a grandchild that left earlier than its parent", "a", "c", 4],
  ["cousins", "c", "d", 4],
  ["siblings", "b", "d", 10],
  ["strangers", "a", "x", 0],
])("%s share their first events", (_, one, other, events) => {
  expect(commonEvents(FAMILY, one, other, length)).toBe(events);
});

test("siblings of a deleted parent still share what they took from it", () => {
  expect(commonEvents(FAMILY.slice(1), "b", "d", length)).toBe(10);
});
