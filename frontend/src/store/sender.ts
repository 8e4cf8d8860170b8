/**
 * What a person sends to one session: kept in the outbox under an id of its own until the gateway
 * has acknowledged it, sent again after every reconnect, and left to the person when it was refused.
 */

import { ApiError } from "../api/errors";
import type { ClientEvent, ContentBlock, ToolConfirmation } from "../api/events";
import type { Outbox, OutboxEntry } from "../api/outbox";
import type { View } from "../fold/view";
import { newId } from "../lib/ids";
import { t } from "../strings";
import { outboxOf } from "./outboxes";
import type { SessionStore } from "./session";
import { ui } from "./ui";

/** How a session is reached. */
export interface Line {
  /** False when nothing is connected. */
  readonly send: (clientId: string, events: readonly ClientEvent[]) => boolean;
  readonly hurry: () => void;
  /** Commits what the socket has not brought through; rejects as the API client does. */
  readonly post: (clientId: string, events: readonly ClientEvent[]) => Promise<unknown>;
}

export class Sender {
  private readonly outbox: Outbox;

  constructor(
    sessionId: string,
    private readonly store: SessionStore,
    private readonly line: Line,
  ) {
    this.outbox = outboxOf(sessionId);
  }

  open(): void {
    this.show(this.outbox.read());
    window.addEventListener("storage", this.onStorage);
    window.addEventListener("pagehide", this.deliver);
  }

  close(): void {
    window.removeEventListener("storage", this.onStorage);
    window.removeEventListener("pagehide", this.deliver);
    this.deliver();
  }

  message(content: readonly ContentBlock[]): void {
    this.post([{ type: "user.message", content }]);
  }

  confirm(answer: Omit<ToolConfirmation, "type">): void {
    this.post([{ type: "user.tool_confirmation", ...answer }]);
  }

  /** True while an answer of this page to that tool call is on its way. */
  isAnswering(toolUseId: string): boolean {
    return answers(this.store.getState().outbox, toolUseId);
  }

  updateQueued(messageId: string, content: readonly ContentBlock[]): void {
    this.post([{ type: "user.message_update", message_id: messageId, content }]);
  }

  cancelQueued(messageId: string): void {
    this.post([{ type: "user.message_cancel", message_id: messageId }]);
  }

  resend(entry: OutboxEntry): void {
    this.discard(entry.clientId);
    this.post(entry.events);
  }

  discard(clientId: string): void {
    this.show(this.outbox.remove(clientId));
  }

  /** Sends everything that waits; call it when a connection has caught up. */
  flush(): void {
    for (const entry of this.outbox.read()) {
      if (entry.refused === null) this.line.send(entry.clientId, entry.events);
    }
  }

  /** The gateway said no. A message stays for the person to decide; the rest is over. */
  refused(clientId: string | null, message: string): void {
    const entry = this.outbox.read().find((waiting) => waiting.clientId === clientId);
    if (entry?.events[0]?.type === "user.message") {
      this.show(this.outbox.refuse(entry.clientId, message));
      return;
    }
    if (entry) this.discard(entry.clientId);
    ui.complain(message);
  }

  /** The gateway ends a socket over a message that is too large: the largest one waits for the person. */
  tooLarge(): void {
    const sizeOf = (entry: OutboxEntry) => JSON.stringify(entry.events).length;
    const waiting = this.outbox.read().filter((entry) => entry.refused === null);
    const [largest] = waiting.toSorted((one, other) => sizeOf(other) - sizeOf(one));
    if (largest) this.refused(largest.clientId, t.composer.refusedSize);
  }

  /** Drops what the log already shows, in case its acknowledgement was lost. */
  settle(view: View): void {
    const { outbox } = this.store.getState();
    if (outbox.length === 0) return;
    const logged = new Set<string>();
    for (const item of view.items.values()) {
      if (item.kind === "user" && item.clientId) logged.add(item.clientId);
    }
    for (const entry of outbox) if (logged.has(entry.clientId)) this.discard(entry.clientId);
  }

  private post(events: readonly ClientEvent[]): void {
    const clientId = newId();
    this.show(this.outbox.add({ clientId, events, at: Date.now(), refused: null }));
    if (this.store.getState().connection.phase === "live") this.line.send(clientId, events);
    else this.line.hurry();
  }

  /** Who leaves a session does not take along what they said: it is sent without the socket. */
  private readonly deliver = (): void => {
    for (const { clientId, events, refused } of this.outbox.read()) {
      if (refused !== null) continue;
      this.line.post(clientId, events).then(
        () => this.discard(clientId),
        (error: unknown) => {
          // What could not be brought stays, and is sent when the session is opened again.
          const no = error instanceof ApiError && error.status < 500 && error.status !== 401;
          if (no) this.refused(clientId, error.message);
        },
      );
    }
  };

  private show(outbox: readonly OutboxEntry[]): void {
    this.store.setState({ outbox });
  }

  private readonly onStorage = (event: StorageEvent): void => {
    if (event.key === this.outbox.storageKey) this.show(this.outbox.read());
  };
}

/** Whether one of these entries answers that tool call. */
export function answers(entries: readonly OutboxEntry[], toolUseId: string): boolean {
  return entries.some((entry) =>
    entry.events.some(
      (event) => event.type === "user.tool_confirmation" && event.tool_use_id === toolUseId,
    ),
  );
}
