import { answers } from "../../store/sender";
import { useSession } from "../../store/session";

/** True while this page's answer to a tool call is on its way. */
export function useAnswering(toolUseId: string): boolean {
  return useSession((state) => answers(state.outbox, toolUseId));
}
