/**
 * Runs one open session: loads the end of its log, keeps the socket, folds what comes, and sends
 * what the person does. Components call its methods and read its store.
 */
import { api, isStatus } from "../api/client";
import { NetworkError, wordsFor } from "../api/errors";
import type { ClientEvent, ContentBlock, LogEvent, ToolConfirmation } from "../api/events";
import { Outbox, type OutboxEntry } from "../api/outbox";
import { type Connection, type Ended, type ServerMessage, SessionSocket } from "../api/socket";
import type { Session, SessionUpdate } from "../api/types";
import { applyEvents, applySession, refold } from "../fold/fold";
import { applyPreviews, withdrawPreview } from "../fold/previews";
import { titleOf } from "../fold/title";
import { emptyView, type View } from "../fold/view";
import { announce } from "./announce";
import { app } from "./app";
import { Inbox } from "./inbox";
import { createSessionStore, type SessionStore } from "./session";
import { sessions } from "./sessions";
import { ui } from "./ui";

const PAGE = 200;

export class SessionController {
  readonly store: SessionStore;
  private readonly socket: SessionSocket;
  private readonly inbox = new Inbox((messages) => this.take(messages));
  private readonly outbox: Outbox;
  private readonly gaps = new Set<string>();
  private events: LogEvent[] = [];
  /** Where the part of the log before `events` begins. */
  private olderPage: string | null = null;
  private closed = false;

  constructor(readonly id: string) {
    this.store = createSessionStore(id);
    this.outbox = new Outbox(id, localStorage);
    this.socket = new SessionSocket(id, {
      onMessage: (message) => this.inbox.push(message),
      onConnection: (connection) => this.onConnection(connection),
      onEnded: (why) => this.onEnded(why),
      cursor: () => {
        this.inbox.clear();
        const { lastSeq, previewBytes } = this.view;
        return { after: lastSeq, previews: previewBytes };
      },
    });
  }

  get view(): View {
    return this.store.getState().view;
  }

  async open(): Promise<void> {
    this.store.setState({ load: "loading", error: null, outbox: this.outbox.read() });
    window.addEventListener("storage", this.onStorage);
    try {
      const [session, page] = await Promise.all([
        api.session(this.id),
        api.events(this.id, { page: null, limit: PAGE }),
      ]);
      if (this.closed) return;
      this.olderPage = page.next_page ?? null;
      this.showLoaded(session, page.data);
      this.socket.open();
      await this.fetchMissing(session);
    } catch (error) {
      if (!this.closed) this.onLoadFailed(error);
    }
  }

  close(): void {
    this.closed = true;
    window.removeEventListener("storage", this.onStorage);
    this.inbox.clear();
    this.socket.close();
  }

  // ---- what the person does ----------------------------------------------------------------------

  sendMessage(content: readonly ContentBlock[]): void {
    this.post([{ type: "user.message", content }]);
  }

  confirm(answer: Omit<ToolConfirmation, "type">): void {
    this.post([{ type: "user.tool_confirmation", ...answer }]);
  }

  /** True while an answer of this page to that tool call is on its way. */
  isAnswering(toolUseId: string): boolean {
    return this.store
      .getState()
      .outbox.some((entry) =>
        entry.events.some(
          (event) => event.type === "user.tool_confirmation" && event.tool_use_id === toolUseId,
        ),
      );
  }

  updateQueued(messageId: string, content: readonly ContentBlock[]): void {
    this.post([{ type: "user.message_update", message_id: messageId, content }]);
  }

  cancelQueued(messageId: string): void {
    this.post([{ type: "user.message_cancel", message_id: messageId }]);
  }

  /** Not kept for later: a stop that comes too late would stop something else. */
  interrupt(): void {
    const { view } = this.store.getState();
    if (!view.turn || view.stopping) return;
    if (this.socket.send(crypto.randomUUID(), [{ type: "user.interrupt" }])) {
      this.store.setState({ view: { ...view, stopping: true } });
    } else {
      ui.toast(wordsFor(new NetworkError()));
    }
  }

  async updateSettings(body: SessionUpdate): Promise<void> {
    try {
      await api.updateSession(this.id, body);
    } catch (error) {
      ui.toast(wordsFor(error));
    }
  }

  /** Sends the messages of a turn once more. */
  retryTurn(messageIds: readonly string[]): void {
    for (const id of messageIds) {
      const item = this.view.items.get(id);
      if (item?.kind === "user") this.sendMessage(item.content);
    }
  }

  resend(entry: OutboxEntry): void {
    this.discard(entry.clientId);
    this.post(entry.events);
  }

  discard(clientId: string): void {
    this.store.setState({ outbox: this.outbox.remove(clientId) });
  }

  reconnect(): void {
    this.socket.hurry();
  }

  async loadOlder(): Promise<void> {
    const { view, older } = this.store.getState();
    if (older === "loading" || view.firstSeq <= 1 || this.olderPage === null) return;
    this.store.setState({ older: "loading" });
    try {
      const page = await api.events(this.id, { page: this.olderPage, limit: PAGE });
      if (this.closed) return;
      this.olderPage = page.next_page ?? null;
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
    const wanted = [
      ...(this.view.todos.length === 0 ? ["agent.todos"] : []),
      ...(this.view.contextTokens === null ? ["span.model_request_end"] : []),
    ];
    for (const type of wanted) {
      const query = { page: null, limit: 1, types: [type] };
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
    if (isStatus(error, 401)) app.signedOut();
    else if (isStatus(error, 404)) this.store.setState({ load: "not_found" });
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
          this.flushOutbox();
          break;
        case "ack":
          this.discard(message.client_id);
          break;
        case "error":
          this.onRefused(message.client_id ?? null, message.error.message);
          break;
        case "pong":
          break;
      }
    }
    if (view !== before) this.setView(view);
    if (gap !== null) this.onGap(gap);
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
    const { outbox } = this.store.getState();
    this.store.setState({ view, outbox: settled(outbox, view, this.outbox) });
    if (view.deleted) this.onEnded("deleted");
    announce(before, view, this.store.getState().connection.phase === "live");
    const { state, pending } = view;
    sessions.patch(this.id, { title: titleOf(view), state, pending });
  }

  // ---- sending -----------------------------------------------------------------------------------

  private post(events: readonly ClientEvent[]): void {
    const clientId = crypto.randomUUID();
    const entry: OutboxEntry = { clientId, events, at: Date.now(), refused: null };
    this.store.setState({ outbox: this.outbox.add(entry) });
    if (this.store.getState().connection.phase === "live") this.socket.send(clientId, events);
    else this.socket.hurry();
  }

  private flushOutbox(): void {
    for (const entry of this.outbox.read()) {
      if (entry.refused === null) this.socket.send(entry.clientId, entry.events);
    }
  }

  private onRefused(clientId: string | null, message: string): void {
    const entry = this.outbox.read().find((waiting) => waiting.clientId === clientId);
    if (entry?.events[0]?.type === "user.message") {
      this.store.setState({ outbox: this.outbox.refuse(entry.clientId, message) });
      return;
    }
    if (entry) this.discard(entry.clientId);
    ui.toast(message);
  }

  private readonly onStorage = (event: StorageEvent): void => {
    if (event.key === this.outbox.storageKey) {
      this.store.setState({ outbox: this.outbox.read() });
    }
  };

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

/** The outbox without what the log already shows, in case its acknowledgement was lost. */
function settled(
  entries: readonly OutboxEntry[],
  view: View,
  outbox: Outbox,
): readonly OutboxEntry[] {
  if (entries.length === 0) return entries;
  const logged = new Set<string>();
  for (const item of view.items.values()) {
    if (item.kind === "user" && item.clientId) logged.add(item.clientId);
  }
  let left = entries;
  for (const entry of entries) if (logged.has(entry.clientId)) left = outbox.remove(entry.clientId);
  return left;
}
