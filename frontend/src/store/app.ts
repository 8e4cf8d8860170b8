/** Who is signed in, and what this server offers. */
import { create } from "zustand";
import { api, isStatus } from "../api/client";
import type { Agent, Me } from "../api/types";

interface AppState {
  readonly status: "loading" | "unreachable" | "signed_out" | "ready";
  /** True when the person was signed in before, in this page. */
  readonly expired: boolean;
  readonly me: Me | null;
  readonly agents: readonly Agent[] | null;
  readonly environment: string | null;
}

export const useApp = create<AppState>()(() => ({
  status: "loading",
  expired: false,
  me: null,
  agents: null,
  environment: null,
}));

const set = useApp.setState;

export const app = {
  async start(): Promise<void> {
    try {
      const me = await api.me();
      set({ status: "ready", me, expired: false });
    } catch (error) {
      if (isStatus(error, 401)) set({ status: "signed_out" });
      else if (useApp.getState().status !== "ready") set({ status: "unreachable" });
    }
  },
  async loadAgents(): Promise<void> {
    const [agents, environments] = await Promise.all([api.agents(), api.environments()]);
    set({
      agents: agents.data.filter((agent) => !agent.archived_at),
      environment: environments.data[0]?.id ?? null,
    });
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
