/**
 * Runs one open session: loads the end of its log, keeps the socket, folds what comes, and sends
 * what the person does. Components call its methods and read its store.
 */
import { api, isStatus } from "../api/client";
import type { Ended } from "../api/closing";
import { NetworkError, wordsFor } from "../api/errors";
import type { LogEvent } from "../api/events";
import { type Connection, type ServerMessage, SessionSocket } from "../api/socket";
import type { Session, SessionUpdate } from "../api/types";
import { PAGE } from "../early/requests";
import { applyEvents, applySession, refold } from "../fold/fold";
import { applyPreviews, withdrawPreview } from "../fold/previews";
import { titleOf } from "../fold/title";
import { emptyView, type View } from "../fold/view";
import { newId } from "../lib/ids";
import { drawn, idle } from "../lib/moments";
import { announce } from "./announce";
import { app } from "./app";
import { Inbox } from "./inbox";
import { loadSession } from "./preload";
import { Sender } from "./sender";
import { createSessionStore, type SessionStore } from "./session";
import { sessions } from "./sessions";
import { ui } from "./ui";

/** So many events are kept of a session that is followed at its end; earlier ones are loaded again. */
const KEPT = 3000;
const SLACK = 2000;

export class SessionController {
  readonly store: SessionStore;
  readonly sender: Sender;
  private readonly socket: SessionSocket;
  private readonly inbox = new Inbox((messages) => this.take(messages));
  private readonly gaps = new Set<string>();
  private events: LogEvent[] = [];
  /** Set by who shows the conversation: its end is in sight. */
  atEnd = true;
  private closed = false;

  constructor(readonly id: string) {
    this.store = createSessionStore(id);
    this.socket = new SessionSocket(id, {
      onMessage: (message) => this.inbox.push(message),
      onConnection: (connection) => this.onConnection(connection),
      onEnded: (why) => this.onEnded(why),
      onTooLarge: () => this.sender.tooLarge(),
      cursor: () => {
        this.inbox.clear();
        const { lastSeq, previewBytes } = this.view;
        return { after: lastSeq, previews: previewBytes };
      },
    });
    this.sender = new Sender(id, this.store, {
      send: (clientId, events) => this.socket.send(clientId, events),
      hurry: () => this.socket.hurry(),
      post: (clientId, events) => api.sendEvents(id, clientId, events),
    });
  }

  get view(): View {
    return this.store.getState().view;
  }

  async open(): Promise<void> {
    this.store.setState({ load: "loading", error: null });
    this.sender.open();
    try {
      const [session, page] = await loadSession(this.id);
      if (this.closed) return;
      this.showLoaded(session, page.data);
      await drawn();
      if (this.closed) return;
      this.socket.open();
      await this.fetchMissing(session);
    } catch (error) {
      if (!this.closed) this.onLoadFailed(error);
    }
  }

  close(): void {
    this.closed = true;
    this.sender.close();
    this.inbox.clear();
    this.socket.close();
  }

  // ---- what the person does ----------------------------------------------------------------------

  /** Not kept for later: a stop that comes too late would stop something else. */
  interrupt(): void {
    const { view } = this.store.getState();
    if (!view.turn || view.stopping) return;
    if (this.socket.send(newId(), [{ type: "user.interrupt" }])) {
      this.store.setState({ view: { ...view, stopping: true } });
    } else {
      ui.complain(wordsFor(new NetworkError()));
    }
  }

  async updateSettings(body: SessionUpdate): Promise<void> {
    try {
      await api.updateSession(this.id, body);
    } catch (error) {
      ui.complain(wordsFor(error));
    }
  }

  /** Sends the messages of a turn once more. */
  retryTurn(messageIds: readonly string[]): void {
    for (const id of messageIds) {
      const item = this.view.items.get(id);
      if (item?.kind === "user") this.sender.message(item.content);
    }
  }

  reconnect(): void {
    this.socket.hurry();
  }

  async loadOlder(): Promise<void> {
    const { view, older } = this.store.getState();
    if (older === "loading" || view.firstSeq <= 1) return;
    this.store.setState({ older: "loading" });
    try {
      const page = await api.events(this.id, { before: view.firstSeq, limit: PAGE });
      if (this.closed) return;
      this.events = [...page.data.toReversed(), ...this.events];
      const first = page.data.at(-1)?.seq ?? 1;
      this.setView(refold(this.view, first, this.events));
      this.store.setState({ older: "idle" });
    } catch {
      this.store.setState({ older: "failed" });
    }
  }

  // ---- loading -----------------------------------------------------------------------------------

  private showLoaded(session: Session, newestFirst: readonly LogEvent[]): void {
    this.events = newestFirst.toReversed();
    const first = this.events[0]?.seq ?? 1;
    const view = applySession(applyEvents(emptyView(), first, this.events), session);
    this.store.setState({ load: "ready", view });
  }

  /** What the end of a long log may not hold: the plan, the context's size, an open question. */
  private async fetchMissing(session: Session): Promise<void> {
    const hidden = () => session.pending.some((id) => !this.view.items.has(id));
    for (let pages = 0; pages < 10 && hidden() && this.view.firstSeq > 1; pages += 1) {
      await this.loadOlder();
    }
    if (this.view.firstSeq <= 1) return;
    // The server looks for these through the whole log: what is on screen comes first.
    await idle();
    const wanted = [
      ...(this.view.todos.length === 0 ? ["agent.todos"] : []),
      ...(this.view.contextTokens === null ? ["span.model_request_end"] : []),
    ];
    for (const type of wanted) {
      const query = { before: null, limit: 1, types: [type] };
      const { data } = await api.events(this.id, query);
      const event = data[0];
      if (event && !this.closed) this.overlay(event);
    }
  }

  private overlay(event: LogEvent): void {
    const { todos, contextTokens, contextWindow } = applyEvents(emptyView(), 1, [event]);
    const { view } = this;
    this.setView({
      ...view,
      todos: view.todos.length > 0 ? view.todos : todos,
      contextTokens: view.contextTokens ?? contextTokens,
      contextWindow: view.contextWindow ?? contextWindow,
    });
  }

  private onLoadFailed(error: unknown): void {
    if (isStatus(error, 404)) this.store.setState({ load: "not_found" });
    else if (this.store.getState().load === "loading") {
      this.store.setState({ load: "failed", error: wordsFor(error) });
    }
  }

  // ---- what arrives ------------------------------------------------------------------------------

  private take(messages: readonly ServerMessage[]): void {
    const before = this.view;
    let view = before;
    let gap: string | null = null;
    for (const message of messages) {
      switch (message.type) {
        case "events":
          this.keep(view.lastSeq, message.first_seq, message.events);
          view = applyEvents(view, message.first_seq, message.events);
          break;
        case "previews": {
          const result = applyPreviews(view, message.events, Date.now() + this.skew());
          view = result.view;
          gap ??= result.gap;
          break;
        }
        case "preview_withdrawn":
          view = withdrawPreview(view, message.event_id);
          break;
        case "hello":
          view = applySession(view, message.session);
          break;
        case "caught_up":
          this.sender.flush();
          break;
        case "ack":
          this.sender.discard(message.client_id);
          break;
        case "error":
          this.sender.refused(message.client_id ?? null, message.error.message);
          break;
        case "pong":
          break;
      }
    }
    if (view !== before) this.setView(this.trimmed(view));
    if (gap !== null) this.onGap(gap);
  }

  /** Lets go of the beginning of what is loaded, so that a page may stay open for weeks. */
  private trimmed(view: View): View {
    if (!this.atEnd || this.events.length < KEPT + SLACK) return view;
    // A turn that runs keeps its beginning, a question its place, and what is queued waits on.
    const turn = this.events.findLastIndex((event) => event.type === "span.turn_start");
    const waiting = view.queue.map((id) => (view.items.get(id)?.seq ?? 0) - view.firstSeq);
    const drop = Math.min(this.events.length - KEPT, turn, ...waiting);
    if (drop <= 0) return view;
    this.events = this.events.slice(drop);
    return refold(view, view.firstSeq + drop, this.events);
  }

  /** Asks for what is missing, once; a gap that stays is filled by the event itself. */
  private onGap(eventId: string): void {
    if (this.gaps.has(eventId)) return;
    this.gaps.add(eventId);
    this.socket.restart();
  }

  private keep(lastSeq: number, firstSeq: number, events: readonly LogEvent[]): void {
    const known = Math.max(0, lastSeq + 1 - firstSeq);
    for (const event of known > 0 ? events.slice(known) : events) this.events.push(event);
    const last = events.at(-1)?.processed_at;
    if (!last || this.store.getState().connection.phase !== "live") return;
    this.store.setState({ skewMs: Math.round(Date.parse(last) - Date.now()) });
  }

  private skew(): number {
    return this.store.getState().skewMs;
  }

  private setView(view: View): void {
    const before = this.view;
    this.store.setState({ view });
    this.sender.settle(view);
    if (view.deleted) this.onEnded("deleted");
    announce(this.id, before, view, this.store.getState().connection.phase === "live");
    if (before.turn === null && view.turn !== null) sessions.touch(this.id);
    const { state, pending } = view;
    sessions.patch(this.id, { title: titleOf(view), state, pending });
  }

  // ---- the connection ----------------------------------------------------------------------------

  private onConnection(connection: Connection): void {
    this.store.setState({ connection });
  }

  private onEnded(why: Ended): void {
    this.inbox.clear();
    if (why === "signed_out") app.signedOut();
    else if (why === "not_found") this.store.setState({ load: "not_found" });
    else if (why === "deleted") this.store.setState({ load: "deleted" });
    else location.reload();
  }
}
