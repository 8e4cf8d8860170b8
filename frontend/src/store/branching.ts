/** Going another way from a message: a fork is made, what is to be said in it waits in its outbox. */
import { api } from "../api/client";
import { wordsFor } from "../api/errors";
import type { ContentBlock } from "../api/events";
import { navigate } from "../lib/router";
import { sessionPath } from "../lib/routes";
import { leaveMessage } from "./outboxes";
import { sessions } from "./sessions";
import { ui } from "./ui";

/** True when the page is on its way to the new branch; what went wrong is told. */
export async function branchOff(
  id: string,
  at: string | null,
  content: readonly ContentBlock[] | null,
): Promise<boolean> {
  try {
    const session = await api.forkSession(id, at === null ? {} : { at });
    if (content !== null) leaveMessage(session.id, content);
    sessions.add(session);
    navigate(sessionPath(session.id));
    return true;
  } catch (error) {
    ui.complain(wordsFor(error));
    return false;
  }
}
