/** The list of sessions: searched and paged by the server, kept fresh while somebody looks. */
import { create } from "zustand";
import { api } from "../api/client";
import type { Session } from "../api/types";
import { drawn } from "../lib/moments";

export type Entry = Pick<
  Session,
  "id" | "title" | "state" | "pending" | "updated_at" | "archived_at"
>;

interface ListState {
  readonly entries: readonly Entry[];
  readonly status: "loading" | "ready" | "failed";
  readonly search: string;
  readonly archived: boolean;
  readonly next: string | null;
}

export const useSessions = create<ListState>()(() => ({
  entries: [],
  status: "loading",
  search: "",
  archived: false,
  next: null,
}));

const { setState: set, getState: get } = useSessions;
const channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("csp.list");
let asked = 0;

function entryOf(session: Session): Entry {
  const { id, title, state, pending, updated_at, archived_at } = session;
  return { id, title, state, pending, updated_at, archived_at };
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
    try {
      const page = await api.sessions({ search, archived, page: null });
      if (mine !== asked) return;
      set({ entries: page.data.map(entryOf), next: page.next_page ?? null, status: "ready" });
    } catch {
      if (mine === asked && get().entries.length === 0) set({ status: "failed" });
    }
  },
  async more(): Promise<void> {
    const { next, search, archived, entries } = get();
    if (!next) return;
    const page = await api.sessions({ search, archived, page: next });
    const known = new Set(entries.map((entry) => entry.id));
    const fresh = page.data.map(entryOf).filter((entry) => !known.has(entry.id));
    set({ entries: [...get().entries, ...fresh], next: page.next_page ?? null });
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
