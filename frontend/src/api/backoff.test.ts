import { expect, test } from "vitest";
import { backoffMs, handoverMs } from "./backoff";

test("the wait starts at one second, doubles, and stays at thirty", () => {
  expect([0, 1, 2, 3, 4, 5, 50].map((attempt) => backoffMs(attempt, 0))).toEqual([
    1000, 2000, 4000, 8000, 16_000, 30_000, 30_000,
  ]);
});

test("chance shortens a wait by a fifth at most", () => {
  expect(backoffMs(2, 1)).toBe(3200);
});

test("a successor is tried at once, by all pages within a fifth of a second", () => {
  expect(handoverMs(0)).toBe(0);
  expect(handoverMs(1)).toBe(200);
});
