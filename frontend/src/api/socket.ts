/**
 * One session's socket: connects, stays connected, and says in what state it is. It knows nothing
 * of what the messages mean beyond the protocol's frame: the caller folds them and says where the
 * next connection has to resume.
 */
import { backoffMs, handoverMs } from "./backoff";
import { type Closing, closingOf, type Ended, type Trouble } from "./closing";
import type { ApiErrorBody, ClientEvent, LogEvent, Preview } from "./events";
import type { Session } from "./types";

export type ServerMessage =
  | { readonly type: "hello"; readonly session: Session; readonly last_seq: number }
  | { readonly type: "events"; readonly first_seq: number; readonly events: readonly LogEvent[] }
  | { readonly type: "previews"; readonly events: readonly Preview[] }
  | { readonly type: "preview_withdrawn"; readonly event_id: string }
  | { readonly type: "caught_up"; readonly seq: number }
  | { readonly type: "ack"; readonly client_id: string }
  | { readonly type: "error"; readonly client_id?: string | null; readonly error: ApiErrorBody }
  | { readonly type: "pong" };

export interface Connection {
  readonly phase: "connecting" | "catching_up" | "live" | "waiting" | "closed";
  readonly trouble: Trouble | null;
  /** When the next attempt is made, in milliseconds since the epoch. */
  readonly retryAt: number | null;
  /** The gateway's own words for why it refuses this page. */
  readonly reason: string | null;
}

export interface Cursor {
  readonly after: number;
  readonly previews: ReadonlyMap<string, number>;
}

export interface SocketHandlers {
  readonly onMessage: (message: ServerMessage) => void;
  readonly onConnection: (connection: Connection) => void;
  readonly onEnded: (why: Ended) => void;
  /** What was sent is more than the gateway takes; sent again it would end the next socket, too. */
  readonly onTooLarge: () => void;
  readonly cursor: () => Cursor;
}

const PING_MS = 15_000;
const SILENCE_MS = 40_000;
/** A line that broke without a word. */
const BROKEN = 1006;

export class SessionSocket {
  private socket: WebSocket | null = null;
  private attempt = 0;
  /** A gateway has handed over, and its successor was tried. */
  private handedOver = false;
  private trouble: Trouble | null = null;
  private reason: string | null = null;
  private heardAt = 0;
  private closed = false;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private pingTimer: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly sessionId: string,
    private readonly handlers: SocketHandlers,
  ) {}

  open(): void {
    window.addEventListener("online", this.hurry);
    window.addEventListener("offline", this.onOffline);
    document.addEventListener("visibilitychange", this.onVisible);
    this.pingTimer = setInterval(this.onTick, PING_MS);
    // Who was in a hurry to send something has connected already.
    if (!this.socket) this.connect();
  }

  close(): void {
    this.closed = true;
    window.removeEventListener("online", this.hurry);
    window.removeEventListener("offline", this.onOffline);
    document.removeEventListener("visibilitychange", this.onVisible);
    clearInterval(this.pingTimer);
    clearTimeout(this.retryTimer);
    this.drop();
    this.report("closed", null);
  }

  /** True when the message was handed to an open socket; acknowledged it is by an `ack` only. */
  send(clientId: string, events: readonly ClientEvent[]): boolean {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify({ type: "send", client_id: clientId, events }));
    return true;
  }

  /** Connects at once instead of at the end of the wait. */
  readonly hurry = (): void => {
    if (this.closed || this.socket) return;
    clearTimeout(this.retryTimer);
    this.connect();
  };

  /** Starts over from the caller's cursor, for example after a gap. */
  restart(): void {
    if (this.closed) return;
    this.drop();
    clearTimeout(this.retryTimer);
    this.connect();
  }

  private connect(): void {
    this.report("connecting", null);
    const { after, previews } = this.handlers.cursor();
    const url = new URL(`/api/v1/sessions/${encodeURIComponent(this.sessionId)}/ws`, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("after", String(after));
    for (const [id, offset] of previews) url.searchParams.append("preview", `${id}:${offset}`);
    const socket = new WebSocket(url);
    this.socket = socket;
    this.heardAt = Date.now();
    socket.onmessage = (event: MessageEvent<string>) => this.onMessage(event.data);
    socket.onclose = (event) => this.onClose(event.code, event.reason);
  }

  private onMessage(data: string): void {
    this.heardAt = Date.now();
    const message = JSON.parse(data) as ServerMessage;
    if (message.type === "hello") this.report("catching_up", null);
    if (message.type === "caught_up") {
      this.attempt = 0;
      this.handedOver = false;
      this.trouble = null;
      this.report("live", null);
    }
    this.handlers.onMessage(message);
  }

  private onClose(code: number, reason = ""): void {
    this.socket = null;
    if (this.closed) return;
    const closing = closingOf(code);
    if (!closing.retry) {
      this.end(closing, reason);
      return;
    }
    if (closing.trouble === "too_large") this.handlers.onTooLarge();
    this.trouble = navigator.onLine ? (closing.trouble ?? this.trouble ?? "lost") : "offline";
    const delay = this.delayAfter(closing.trouble);
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(() => this.connect(), delay);
    this.report("waiting", Date.now() + delay);
  }

  private delayAfter(trouble: Trouble | null): number {
    if (trouble === "restarting" && !this.handedOver) {
      this.handedOver = true;
      return handoverMs(Math.random());
    }
    this.attempt += 1;
    return backoffMs(this.attempt - 1, Math.random());
  }

  private end(closing: Exclude<Closing, { readonly retry: true }>, reason: string): void {
    if ("trouble" in closing) {
      this.trouble = closing.trouble;
      this.reason = reason || null;
      this.close();
    } else {
      this.close();
      this.handlers.onEnded(closing.ended);
    }
  }

  private drop(): void {
    const { socket } = this;
    this.socket = null;
    if (!socket) return;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }

  private readonly onTick = (): void => {
    if (this.socket?.readyState === WebSocket.OPEN) {
      this.socket.send('{"type":"ping"}');
    }
    this.checkSilence();
  };

  private checkSilence(): void {
    if (this.socket && Date.now() - this.heardAt > SILENCE_MS) {
      this.drop();
      this.onClose(BROKEN);
    }
  }

  private readonly onOffline = (): void => {
    if (this.closed) return;
    this.drop();
    this.onClose(BROKEN);
  };

  private readonly onVisible = (): void => {
    if (document.visibilityState !== "visible") return;
    this.checkSilence();
    this.hurry();
  };

  private report(phase: Connection["phase"], retryAt: number | null): void {
    this.handlers.onConnection({ phase, trouble: this.trouble, retryAt, reason: this.reason });
  }
}
