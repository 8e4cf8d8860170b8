/**
 * What the person sent and the gateway has not acknowledged. It lies in the browser's storage under
 * the client's message id, so that a lost connection, a reload or a closed tab loses nothing, and a
 * message sent twice (by two tabs, or after a lost answer) is still one message.
 */
import type { ClientEvent } from "./events";

export interface OutboxEntry {
  readonly clientId: string;
  readonly events: readonly ClientEvent[];
  readonly at: number;
  /** Why the gateway refused it; it then waits for the person. */
  readonly refused: string | null;
}

export type KeyValue = Pick<Storage, "getItem" | "setItem" | "removeItem">;

export class Outbox {
  private readonly key: string;

  constructor(
    sessionId: string,
    private readonly storage: KeyValue,
  ) {
    this.key = `csp.outbox.${sessionId}`;
  }

  get storageKey(): string {
    return this.key;
  }

  read(): readonly OutboxEntry[] {
    try {
      const parsed: unknown = JSON.parse(this.storage.getItem(this.key) ?? "[]");
      return Array.isArray(parsed) ? parsed.filter(isEntry) : [];
    } catch {
      return [];
    }
  }

  add(entry: OutboxEntry): readonly OutboxEntry[] {
    return this.write([...this.read().filter((old) => old.clientId !== entry.clientId), entry]);
  }

  remove(clientId: string): readonly OutboxEntry[] {
    return this.write(this.read().filter((entry) => entry.clientId !== clientId));
  }

  refuse(clientId: string, why: string): readonly OutboxEntry[] {
    return this.write(
      this.read().map((entry) =>
        entry.clientId === clientId ? { ...entry, refused: why } : entry,
      ),
    );
  }

  private write(entries: readonly OutboxEntry[]): readonly OutboxEntry[] {
    try {
      if (entries.length === 0) this.storage.removeItem(this.key);
      else this.storage.setItem(this.key, JSON.stringify(entries));
    } catch {
      // A full or blocked storage: the entries still live as long as this page.
    }
    return entries;
  }
}

function isEntry(value: unknown): value is OutboxEntry {
  if (typeof value !== "object" || value === null) return false;
  return "clientId" in value && "events" in value && Array.isArray(value.events);
}
