/** Answering from within the card of a step. What was pressed is gone then, so the focus goes on. */
import { useCallback } from "react";
import type { ToolConfirmation } from "../../api/events";
import { useController } from "../../store/session";
import { ui } from "../../store/ui";
import { focusConversation } from "../conversation/scrolling";

export function useConfirm(): (answer: Omit<ToolConfirmation, "type">) => void {
  const controller = useController();
  return useCallback(
    (answer) => {
      controller.sender.confirm(answer);
      ui.answer(null);
      focusConversation();
    },
    [controller],
  );
}
