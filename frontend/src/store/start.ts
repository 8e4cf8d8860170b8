/** Starting a session with its first message. */
import { api } from "../api/client";
import type { ContentBlock } from "../api/events";
import { Outbox } from "../api/outbox";
import { navigate, sessionPath } from "../lib/router";
import { useApp } from "./app";
import { sessions } from "./sessions";

export interface Start {
  readonly agentId: string;
  readonly model: string | null;
  readonly mode: string | null;
  readonly content: readonly ContentBlock[];
}

/** Makes the session, leaves the message in its outbox, and goes there. */
export async function startSession({ agentId, model, mode, content }: Start): Promise<void> {
  const environment = useApp.getState().environment;
  const session = await api.createSession({
    agent: agentId,
    ...(environment ? { environment_id: environment } : {}),
  });
  const settings = {
    ...(model ? { model } : {}),
    ...(mode ? { permission_mode: mode } : {}),
  };
  if (Object.keys(settings).length > 0) await api.updateSession(session.id, settings);
  new Outbox(session.id, localStorage).add({
    clientId: crypto.randomUUID(),
    events: [{ type: "user.message", content }],
    at: Date.now(),
    refused: null,
  });
  sessions.add(session);
  navigate(sessionPath(session.id));
}
