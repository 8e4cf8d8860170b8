import { expect, test } from "vitest";
import { bytes, count, duration, money } from "./format";

test("durations read as people say them", () => {
  expect([40, 1240, 12_400, 75_000, 3_700_000].map(duration)).toEqual([
    "40 ms",
    "1.2 s",
    "12 s",
    "1 min 15 s",
    "1 h 1 min",
  ]);
});

test("small amounts of money keep their digits", () => {
  expect([0, 0.0042, 1.239].map(money)).toEqual(["$0.00", "$0.0042", "$1.24"]);
});

test("counts and sizes are rounded", () => {
  expect([999, 1000, 12_345, 200_000, 1_000_000].map(count)).toEqual([
    "999",
    "1k",
    "12.3k",
    "200k",
    "1M",
  ]);
  expect([10, 2048, 5_242_880].map(bytes)).toEqual(["10 B", "2.0 kB", "5.0 MB"]);
});
