/** Who is signed in, and what this server offers. */
import { create } from "zustand";
import { api, isStatus, onSignedOut } from "../api/client";
import type { Agent, Me } from "../api/types";

interface AppState {
  readonly status: "loading" | "unreachable" | "signed_out" | "ready";
  /** True when the person was signed in before, in this page. */
  readonly expired: boolean;
  readonly me: Me | null;
  readonly agents: readonly Agent[] | null;
}

export const useApp = create<AppState>()(() => ({
  status: "loading",
  expired: false,
  me: null,
  agents: null,
}));

const set = useApp.setState;

onSignedOut(() => app.signedOut());

/** How much an agent may do without asking, unless the person chooses otherwise. */
export function modeOf(agent: Agent): string {
  const { permission_mode: mode } = agent.options;
  return typeof mode === "string" ? mode : "default";
}

let begun: Promise<void> | null = null;

export const app = {
  /** Asks who is there, once: whoever needs it says so, and the first of them is early. */
  begin(): Promise<void> {
    begun ??= app.start();
    return begun;
  },
  async start(): Promise<void> {
    try {
      const me = await api.me();
      set({ status: "ready", me, expired: false });
    } catch (error) {
      if (!isStatus(error, 401) && useApp.getState().status !== "ready") {
        set({ status: "unreachable" });
      }
    }
  },
  async loadAgents(): Promise<void> {
    const { data } = await api.agents();
    // Newest first; the one that was there from the beginning is the default.
    set({ agents: data.filter((agent) => !agent.archived_at).toReversed() });
  },
  signedOut(): void {
    const was = useApp.getState().me !== null;
    set({ status: "signed_out", expired: was });
  },
  async signOut(): Promise<void> {
    await api.logout();
    set({ status: "signed_out", expired: false, me: null, agents: null });
  },
};
