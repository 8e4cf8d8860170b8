/** Starting a session: with a first message, or from a file. */
import { api } from "../api/client";
import type { ContentBlock } from "../api/events";
import type { SessionCreate } from "../api/types";
import { navigate } from "../lib/router";
import { sessionPath } from "../lib/routes";
import { leaveMessage } from "./outboxes";
import { sessions } from "./sessions";

export interface Start {
  readonly settings: Pick<SessionCreate, "agent" | "model" | "permission_mode">;
  readonly content: readonly ContentBlock[];
}

/** Makes the session, leaves the message in its outbox, and goes there. */
export async function startSession({ settings, content }: Start): Promise<void> {
  const session = await api.createSession(settings);
  leaveMessage(session.id, content);
  sessions.add(session);
  navigate(sessionPath(session.id));
}

/** Makes a session from an exported one, and goes there. */
export async function importSession(file: Blob): Promise<void> {
  const session = await api.importSession(file);
  sessions.add(session);
  navigate(sessionPath(session.id));
}
