/** When the events of a log happened, as a replay shows it: seconds that follow each other. Pure. */
import type { LogEvent } from "../api/events";
import { timeOf } from "./draft";

/** While nothing is done (a person thinks, or sleeps) this is the longest that a replay waits. */
export const LONGEST_PAUSE_MS = 3000;

/**
 * Milliseconds from the beginning of the replay for each event. Within a turn the time is the true
 * one; between turns it is at most LONGEST_PAUSE_MS.
 */
export function timelineOf(events: readonly LogEvent[]): readonly number[] {
  let at = 0;
  let before: number | null = null;
  let running = false;
  return events.map((event) => {
    const time = timeOf(event);
    if (time !== null && before !== null) {
      const passed = Math.max(0, time - before);
      at += running ? passed : Math.min(passed, LONGEST_PAUSE_MS);
    }
    if (time !== null) before = Math.max(time, before ?? time);
    if (event.type === "span.turn_start") running = true;
    if (event.type === "span.turn_end") running = false;
    return at;
  });
}

/** How many events have happened at this moment of the replay. */
export function countAt(timeline: readonly number[], moment: number): number {
  let low = 0;
  let high = timeline.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((timeline[middle] ?? 0) <= moment) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Positions right after each message that a turn answers, for going from one to the next. */
export function stopsOf(events: readonly LogEvent[]): readonly number[] {
  const stops = events.flatMap((event, index) =>
    event.type === "span.turn_start" ? [index + 1] : [],
  );
  return [0, ...stops, events.length];
}
