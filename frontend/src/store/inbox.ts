/**
 * Between the socket and the fold: messages are taken in at once and folded once per frame, in
 * slices, so that neither fifty tokens a second nor ten thousand events at once make the page stutter.
 */
import type { ServerMessage } from "../api/socket";

const SLICE_EVENTS = 250;
const SLICE_MS = 10;
const HIDDEN_MS = 250;
/** Text that grows twenty-five times a second looks fluent, and leaves the rest of the time free. */
const BETWEEN_MS = 40;

export class Inbox {
  private waiting: ServerMessage[] = [];
  private flushedAt = 0;
  private frame: number | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `take` gets the messages of one slice, in order, and must not throw. */
  constructor(private readonly take: (messages: readonly ServerMessage[]) => void) {}

  push(message: ServerMessage): void {
    if (message.type === "events" && message.events.length > SLICE_EVENTS) {
      for (let at = 0; at < message.events.length; at += SLICE_EVENTS) {
        const events = message.events.slice(at, at + SLICE_EVENTS);
        this.waiting.push({ type: "events", first_seq: message.first_seq + at, events });
      }
    } else {
      this.waiting.push(message);
    }
    this.schedule();
  }

  /** Forgets what is not folded yet; it will be sent again after a reconnect. */
  clear(): void {
    this.waiting = [];
    if (this.frame !== undefined) cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    this.frame = undefined;
    this.timer = undefined;
  }

  private schedule(): void {
    if (this.frame !== undefined || this.timer !== undefined) return;
    // A hidden page gets no frames, but its title and its words for listeners go on.
    if (document.visibilityState === "hidden") this.timer = setTimeout(this.flush, HIDDEN_MS);
    else this.timer = setTimeout(this.onFrame, this.flushedAt + BETWEEN_MS - performance.now());
  }

  private readonly onFrame = (): void => {
    this.timer = undefined;
    this.frame = requestAnimationFrame(this.flush);
  };

  private readonly flush = (): void => {
    this.frame = undefined;
    this.timer = undefined;
    this.flushedAt = performance.now();
    const until = this.flushedAt + SLICE_MS;
    while (this.waiting.length > 0 && performance.now() < until) {
      this.take(this.waiting.splice(0, this.sliceLength()));
    }
    if (this.waiting.length > 0) this.schedule();
  };

  private sliceLength(): number {
    let events = 0;
    let count = 0;
    for (const message of this.waiting) {
      events +=
        message.type === "events" || message.type === "previews" ? message.events.length : 1;
      if (count > 0 && events > SLICE_EVENTS) break;
      count += 1;
    }
    return count;
  }
}
