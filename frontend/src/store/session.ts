/** The state of one open session, and the way components read it: by narrow selectors. */
import { createContext, useContext } from "react";
import { createStore, type StoreApi, useStore } from "zustand";
import type { OutboxEntry } from "../api/outbox";
import type { Connection } from "../api/socket";
import { emptyView, type Item, type View } from "../fold/view";
import type { SessionController } from "./controller";

export interface SessionState {
  readonly id: string;
  readonly load: "loading" | "ready" | "not_found" | "deleted" | "failed";
  readonly error: string | null;
  readonly view: View;
  readonly connection: Connection;
  readonly outbox: readonly OutboxEntry[];
  readonly older: "idle" | "loading" | "failed";
  /** The gateway's clock minus ours, in milliseconds, as far as it shows. */
  readonly skewMs: number;
  /** What is shown is history: nothing can be sent, answered or branched off. */
  readonly readOnly: boolean;
}

export type SessionStore = StoreApi<SessionState>;

export function createSessionStore(id: string): SessionStore {
  return createStore<SessionState>()(() => ({
    id,
    load: "loading",
    error: null,
    view: emptyView(),
    connection: { phase: "connecting", trouble: null, retryAt: null, reason: null },
    outbox: [],
    older: "idle",
    skewMs: 0,
    readOnly: false,
  }));
}

export const SessionContext = createContext<SessionController | null>(null);

export function useController(): SessionController {
  const controller = useContext(SessionContext);
  if (!controller) throw new Error("useController needs a SessionContext around it");
  return controller;
}

export function useSession<T>(select: (state: SessionState) => T): T {
  return useStore(useController().store, select);
}

export function useItem(id: string): Item | undefined {
  return useSession((state) => state.view.items.get(id));
}
