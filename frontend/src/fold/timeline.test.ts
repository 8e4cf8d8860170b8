import { expect, test } from "vitest";
import type { LogEvent } from "../api/events";
import { countAt, LONGEST_PAUSE_MS, stopsOf, timelineOf } from "./timeline";

function at(seconds: number, type: string): LogEvent {
  const processed_at = new Date(seconds * 1000).toISOString();
  return { id: `sevt_${seconds}${type}`, type, processed_at } as unknown as LogEvent;
}

const EVENTS = [
  at(0, "user.message"),
  at(1, "span.turn_start"),
  at(61, "agent.message"),
  at(62, "span.turn_end"),
  at(5000, "user.message"),
  at(5001, "span.turn_start"),
];

test("time runs truly within a turn and quickly between turns", () => {
  const between = LONGEST_PAUSE_MS;
  expect(timelineOf(EVENTS)).toEqual([0, 1000, 61_000, 62_000, 62_000 + between, 63_000 + between]);
});

test("a clock that goes back does not take the replay back", () => {
  const line = timelineOf([at(10, "span.turn_start"), at(5, "agent.message"), at(11, "x.y")]);
  expect(line).toEqual([0, 0, 1000]);
});

test("an event without a time happens with the one before it", () => {
  const timeless = { id: "sevt_x", type: "agent.message" } as unknown as LogEvent;
  expect(timelineOf([at(0, "span.turn_start"), timeless, at(2, "x.y")])).toEqual([0, 0, 2000]);
});

test("a moment of the replay has so many events behind it", () => {
  const line = timelineOf(EVENTS);
  expect([-1, 0, 999, 1000, 61_500, 1e9].map((moment) => countAt(line, moment))).toEqual([
    0, 1, 1, 2, 3, 6,
  ]);
});

test("one goes from turn to turn", () => {
  expect(stopsOf(EVENTS)).toEqual([0, 2, 6, 6]);
});
