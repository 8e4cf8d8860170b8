/**
 * The workbench of one fold: a view whose fields can be set. Lists are copied once per batch, on
 * the first change, so that a batch costs its own events and one copy, not one copy per event.
 */
import type { Item, View } from "./view";

type Writable<T> = { -readonly [K in keyof T]: T[K] };

export class Draft {
  readonly view: Writable<View>;
  private rows: string[] | null = null;

  constructor(view: View) {
    this.view = { ...view };
  }

  get<K extends Item["kind"]>(id: string, kind: K): Extract<Item, { kind: K }> | undefined {
    const item = this.view.items.get(id);
    return item?.kind === kind ? (item as Extract<Item, { kind: K }>) : undefined;
  }

  put(item: Item): void {
    this.view.items.set(item.id, item);
  }

  /** Shows an item at the end of its list: the conversation, or its parent's helpers. */
  append(item: Item): void {
    const known = this.view.items.has(item.id);
    this.put(item);
    if (known) return;
    if (item.parent === null) {
      this.ownRows().push(item.id);
      return;
    }
    const parent = this.get(item.parent, "tool") ?? this.missingParent(item.parent, item);
    this.put({ ...parent, children: [...parent.children, item.id] });
  }

  remove(id: string): void {
    const item = this.view.items.get(id);
    if (!item) return;
    this.view.items.delete(id);
    this.view.previewBytes.delete(id);
    if (item.parent === null) {
      this.rows = this.ownRows().filter((row) => row !== id);
      this.view.rows = this.rows;
      return;
    }
    const parent = this.get(item.parent, "tool");
    if (parent) this.put({ ...parent, children: parent.children.filter((child) => child !== id) });
  }

  last(): Item | undefined {
    const id = this.view.rows.at(-1);
    return id === undefined ? undefined : this.view.items.get(id);
  }

  private ownRows(): string[] {
    if (this.rows === null) {
      this.rows = [...this.view.rows];
      this.view.rows = this.rows;
    }
    return this.rows;
  }

  /** The helper was started before the part of the log that is loaded. */
  private missingParent(id: string, child: Item) {
    const parent = {
      kind: "tool",
      id,
      seq: child.seq,
      at: child.at,
      parent: null,
      name: "Agent",
      server: null,
      input: {},
      title: null,
      description: null,
      rule: null,
      reason: null,
      background: false,
      state: "running",
      answer: null,
      result: null,
      durationMs: null,
      children: [],
    } as const;
    this.append(parent);
    return parent;
  }
}

/** Milliseconds since the epoch of an event's time, null when it has none. */
export function timeOf(event: { readonly processed_at?: string | null }): number | null {
  if (!event.processed_at) return null;
  const value = Date.parse(event.processed_at);
  return Number.isNaN(value) ? null : value;
}
