import { expect, test } from "vitest";
import { backoffMs } from "./backoff";

test("the wait starts at one second, doubles, and stays at thirty", () => {
  expect([0, 1, 2, 3, 4, 5, 50].map((attempt) => backoffMs(attempt, 0))).toEqual([
    1000, 2000, 4000, 8000, 16_000, 30_000, 30_000,
  ]);
});

test("chance shortens a wait by a fifth at most", () => {
  expect(backoffMs(2, 1)).toBe(3200);
});
