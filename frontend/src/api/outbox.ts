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

/** What the storage did not take, by its key: lives as long as the page, in whichever session it is. */
export type Memory = Map<string, readonly OutboxEntry[]>;

export class Outbox {
  private readonly key: string;

  constructor(
    sessionId: string,
    private readonly storage: KeyValue,
    private readonly memory: Memory,
  ) {
    this.key = `csp.outbox.${sessionId}`;
  }

  get storageKey(): string {
    return this.key;
  }

  read(): readonly OutboxEntry[] {
    const held = this.memory.get(this.key) ?? [];
    const ids = idsOf(held);
    return [...this.stored().filter((entry) => !ids.has(entry.clientId)), ...held];
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
    if (this.store(entries)) {
      this.memory.delete(this.key);
      return entries;
    }
    // Full or blocked. What was stored before still has room; the rest is held by this page.
    const before = idsOf(this.stored());
    const fits = this.store(entries.filter((entry) => before.has(entry.clientId)));
    const held = fits ? entries.filter((entry) => !before.has(entry.clientId)) : entries;
    this.memory.set(this.key, held);
    return entries;
  }

  private stored(): readonly OutboxEntry[] {
    try {
      const parsed: unknown = JSON.parse(this.storage.getItem(this.key) ?? "[]");
      return Array.isArray(parsed) ? parsed.filter(isEntry) : [];
    } catch {
      return [];
    }
  }

  /** False when the browser has no room for it, or allows no storage at all. */
  private store(entries: readonly OutboxEntry[]): boolean {
    try {
      if (entries.length === 0) this.storage.removeItem(this.key);
      else this.storage.setItem(this.key, JSON.stringify(entries));
      return true;
    } catch {
      return false;
    }
  }
}

function idsOf(entries: readonly OutboxEntry[]): ReadonlySet<string> {
  return new Set(entries.map((entry) => entry.clientId));
}

function isEntry(value: unknown): value is OutboxEntry {
  if (typeof value !== "object" || value === null) return false;
  return "clientId" in value && "events" in value && Array.isArray(value.events);
}
