/** Plays a log: a clock that runs at a speed, and a place that follows it or is set by hand. */
import { createStore, type StoreApi } from "zustand";
import type { LogEvent } from "../api/events";
import { countAt, stopsOf, timelineOf } from "../fold/timeline";

export const SPEEDS = [1, 2, 8, 32] as const;
export type Speed = (typeof SPEEDS)[number];

export interface PlaybackState {
  /** How many events are shown. */
  readonly count: number;
  readonly playing: boolean;
  readonly speed: Speed;
  /** Milliseconds of the replay that have passed, and that there are. */
  readonly moment: number;
  readonly length: number;
}

export class Playback {
  readonly store: StoreApi<PlaybackState>;
  private readonly timeline: readonly number[];
  private readonly stops: readonly number[];
  private frame: number | undefined;
  private tickedAt = 0;

  constructor(
    events: readonly LogEvent[],
    private readonly show: (count: number) => void,
  ) {
    this.timeline = timelineOf(events);
    this.stops = stopsOf(events);
    const length = this.timeline.at(-1) ?? 0;
    this.store = createStore<PlaybackState>()(() => ({
      count: 0,
      playing: false,
      speed: 1,
      moment: 0,
      length,
    }));
    this.seek(0);
  }

  get total(): number {
    return this.timeline.length;
  }

  play(): void {
    const { count, playing } = this.store.getState();
    if (playing) return;
    if (count >= this.total) this.seek(0);
    this.store.setState({ playing: true });
    this.tickedAt = performance.now();
    this.frame = requestAnimationFrame(this.tick);
  }

  pause(): void {
    if (this.frame !== undefined) cancelAnimationFrame(this.frame);
    this.frame = undefined;
    this.store.setState({ playing: false });
  }

  toggle(): void {
    if (this.store.getState().playing) this.pause();
    else this.play();
  }

  setSpeed(speed: Speed): void {
    this.store.setState({ speed });
  }

  /** Shows so many events, and goes on from there. */
  seek(count: number): void {
    const place = Math.max(0, Math.min(count, this.total));
    this.store.setState({ moment: place === 0 ? 0 : (this.timeline[place - 1] ?? 0) });
    this.place(place);
  }

  /** To the turn before or after this place. */
  step(direction: -1 | 1): void {
    const { count } = this.store.getState();
    const found =
      direction === 1
        ? this.stops.find((stop) => stop > count)
        : this.stops.findLast((stop) => stop < count);
    if (found !== undefined) this.seek(found);
  }

  private place(count: number): void {
    if (count === this.store.getState().count && count > 0) return;
    this.store.setState({ count });
    this.show(count);
  }

  private readonly tick = (now: number): void => {
    const { moment, speed, length } = this.store.getState();
    const next = Math.min(length, moment + Math.max(0, now - this.tickedAt) * speed);
    this.tickedAt = now;
    this.store.setState({ moment: next });
    this.place(countAt(this.timeline, next));
    if (next >= length) {
      this.place(this.total);
      this.pause();
    } else this.frame = requestAnimationFrame(this.tick);
  };
}
