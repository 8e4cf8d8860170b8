/**
 * A session that is only read: its log is loaded once and shown up to a place, by the components
 * that show a living one. It has no socket and sends nothing.
 */

import { wordsFor } from "../api/errors";
import type { LogEvent } from "../api/events";
import { applyEvents } from "../fold/fold";
import { emptyView, type View } from "../fold/view";
import { SessionController } from "./controller";

/** More is not kept in the page: of longer logs the end is shown. */
export const MOST_EVENTS = 20_000;
const PAGE = 1000;

/** Where the events come from. */
export interface LogSource {
  /** The seq of the last event, and the title. */
  readonly head: () => Promise<{ readonly seq: number; readonly title: string | null }>;
  /** Events beyond a seq, oldest first. */
  readonly after: (seq: number, limit: number) => Promise<readonly LogEvent[]>;
}

export class LogReader extends SessionController {
  log: readonly LogEvent[] = [];
  title: string | null = null;
  /** The seq before the first event that is loaded. */
  base = 0;
  private shown = 0;
  private over = false;

  constructor(
    id: string,
    private readonly source: LogSource,
    /** Events up to this seq are of no interest. */
    private readonly from = 0,
  ) {
    super(id);
    this.store.setState({ readOnly: true });
  }

  override async open(): Promise<void> {
    try {
      const head = await this.source.head();
      this.title = head.title;
      this.base = Math.max(this.from, head.seq - MOST_EVENTS);
      const log: LogEvent[] = [];
      while (!this.over && this.base + log.length < head.seq) {
        const page = await this.source.after(this.base + log.length, PAGE);
        if (page.length === 0) break;
        log.push(...page);
      }
      if (this.over) return;
      this.log = log;
      this.show(log.length);
      this.store.setState({ load: "ready" });
    } catch (error) {
      if (!this.over) this.store.setState({ load: "failed", error: wordsFor(error) });
    }
  }

  override close(): void {
    this.over = true;
    super.close();
  }

  override async loadOlder(): Promise<void> {}

  /** The conversation as it was after so many of the loaded events. */
  show(count: number): void {
    const forward = count >= this.shown && this.shown > 0;
    const before = forward ? this.view : emptyView();
    const start = forward ? this.shown : 0;
    const view: View = applyEvents(before, this.base + start + 1, this.log.slice(start, count));
    this.shown = count;
    this.store.setState({ view: { ...view, title: this.title } });
  }
}
