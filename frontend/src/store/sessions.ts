/**
 * The list of sessions, the last one used first: searched and paged by the server, kept fresh while
 * somebody looks.
 */
import { create } from "zustand";
import { api } from "../api/client";
import type { Session } from "../api/types";
import { drawn } from "../lib/moments";

export type Entry = Pick<
  Session,
  "id" | "title" | "state" | "pending" | "last_event_at" | "archived_at"
>;

interface ListState {
  readonly entries: readonly Entry[];
  readonly status: "loading" | "ready" | "failed";
  readonly search: string;
  readonly archived: boolean;
  readonly next: string | null;
  /** How the page beyond what is loaded is doing. */
  readonly more: "idle" | "loading" | "failed";
}

export const useSessions = create<ListState>()(() => ({
  entries: [],
  status: "loading",
  search: "",
  archived: false,
  next: null,
  more: "idle",
}));

const { setState: set, getState: get } = useSessions;
const channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("csp.list");
let asked = 0;
/** Which search the entries answer. */
let answered = "";

function entryOf(session: Session): Entry {
  const { id, title, state, pending, last_event_at, archived_at } = session;
  return { id, title, state, pending, last_event_at, archived_at };
}

interface Loaded {
  readonly entries: readonly Entry[];
  readonly next: string | null;
}

/** The list with its first page as it is now; pages that were loaded beyond it stay. */
export function renewed(old: Loaded, first: Loaded): Loaded {
  const last = first.entries.at(-1);
  const place = last ? old.entries.findIndex((entry) => entry.id === last.id) : -1;
  // Without a common entry there may be a gap between them.
  if (first.next === null || place < 0) return first;
  const fresh = new Set(first.entries.map((entry) => entry.id));
  const beyond = old.entries.slice(place + 1).filter((entry) => !fresh.has(entry.id));
  return beyond.length === 0 ? first : { entries: [...first.entries, ...beyond], next: old.next };
}

/** Tells this page and the others of this browser that the list has changed. */
function changed(): void {
  channel?.postMessage("changed");
  void sessions.refresh();
}

export const sessions = {
  async refresh(): Promise<void> {
    asked += 1;
    const mine = asked;
    const { search, archived } = get();
    const query = JSON.stringify([search, archived]);
    try {
      const page = await api.sessions({ search, archived, page: null });
      if (mine !== asked) return;
      const first = { entries: page.data.map(entryOf), next: page.next_page ?? null };
      set({ ...(answered === query ? renewed(get(), first) : first), status: "ready" });
      if (answered !== query) set({ more: "idle" });
      answered = query;
    } catch {
      if (mine === asked && get().entries.length === 0) set({ status: "failed" });
    }
  },
  async more(): Promise<void> {
    const { next, search, archived, more } = get();
    if (!next || more === "loading") return;
    const query = answered;
    set({ more: "loading" });
    try {
      const page = await api.sessions({ search, archived, page: next });
      if (query !== answered) return;
      const { entries } = get();
      const known = new Set(entries.map((entry) => entry.id));
      const fresh = page.data.map(entryOf).filter((entry) => !known.has(entry.id));
      set({ entries: [...entries, ...fresh], next: page.next_page ?? null, more: "idle" });
    } catch {
      if (query === answered) set({ more: "failed" });
    }
  },
  search(search: string): void {
    set({ search });
    void sessions.refresh();
  },
  showArchived(archived: boolean): void {
    set({ archived });
    void sessions.refresh();
  },
  /** What the open session's own log says is newer than the list. */
  patch(id: string, patch: Partial<Entry>): void {
    const { entries } = get();
    const old = entries.find((entry) => entry.id === id);
    if (!old) return;
    const next = { ...old, ...patch };
    const same = (Object.keys(patch) as (keyof Entry)[]).every((key) => old[key] === next[key]);
    if (!same) set({ entries: entries.map((entry) => (entry === old ? next : entry)) });
  },
  /** Something begins in it now: it moves to the top before the server says so. */
  touch(id: string): void {
    const { entries } = get();
    const old = entries.find((entry) => entry.id === id);
    if (!old || entries[0] === old) return;
    const touched = { ...old, last_event_at: new Date().toISOString() };
    set({ entries: [touched, ...entries.filter((entry) => entry !== old)] });
  },
  add(session: Session): void {
    set({ entries: [entryOf(session), ...get().entries.filter((old) => old.id !== session.id)] });
    channel?.postMessage("changed");
  },
  async rename(id: string, title: string): Promise<void> {
    sessions.patch(id, { title });
    await api.updateSession(id, { title });
    changed();
  },
  async archive(id: string): Promise<void> {
    await api.archiveSession(id);
    changed();
  },
  async unarchive(id: string): Promise<void> {
    await api.unarchiveSession(id);
    changed();
  },
  async delete(id: string): Promise<void> {
    await api.deleteSession(id);
    set({ entries: get().entries.filter((entry) => entry.id !== id) });
    changed();
  },
  /** Keeps the list fresh until the returned function is called. */
  watch(): () => void {
    const refresh = () => {
      if (document.visibilityState === "visible") void sessions.refresh();
    };
    // The list comes after what the person opened the page for.
    void drawn().then(refresh);
    const timer = setInterval(refresh, 15_000);
    document.addEventListener("visibilitychange", refresh);
    channel?.addEventListener("message", refresh);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", refresh);
      channel?.removeEventListener("message", refresh);
    };
  },
};
