import { useSession } from "../../store/session";

/** True while this page's answer to a tool call is on its way. */
export function useAnswering(toolUseId: string): boolean {
  return useSession((state) =>
    state.outbox.some((entry) =>
      entry.events.some(
        (event) => event.type === "user.tool_confirmation" && event.tool_use_id === toolUseId,
      ),
    ),
  );
}
