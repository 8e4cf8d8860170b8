/**
 * Keys of an open session. Single letters answer a step that waits, but only while nobody types,
 * and only a step that can be seen; with Alt they work from the message field, too.
 */
import { useEffect } from "react";
import { isTyping } from "../../lib/keys";
import type { SessionController } from "../../store/controller";
import { useController } from "../../store/session";
import { ui, useUi } from "../../store/ui";
import { COMPOSER_ID } from "../composer/Composer";
import { scrollConversation } from "../conversation/scrolling";
import { approvalElement, isInView } from "./useApprovalInView";

export function useSessionShortcuts(): void {
  const controller = useController();
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing) return;
      if (handle(event, controller)) event.preventDefault();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [controller]);
}

function handle(event: KeyboardEvent, controller: SessionController): boolean {
  const ctrl = event.ctrlKey || event.metaKey;
  if (ctrl && event.shiftKey && event.code === "KeyX") {
    controller.interrupt();
    return true;
  }
  if (ctrl || isCovered(event.target)) return false;
  if (event.altKey || (!isTyping(event.target) && useUi.getState().singleKeys)) {
    if (answer(event.code, controller)) return true;
  }
  if (event.altKey || isTyping(event.target)) return false;
  switch (event.key) {
    case "End":
      scrollConversation(null);
      return true;
    case "/":
      document.getElementById(COMPOSER_ID)?.focus();
      return true;
    default:
      return false;
  }
}

/** Keys belong to a menu, or to a dialog that lies over the page; what floats beside it takes none. */
function isCovered(target: EventTarget | null): boolean {
  const inMenu = target instanceof Element && target.closest("[role=menu]") !== null;
  return inMenu || document.querySelector("[data-modal]") !== null;
}

function answer(code: string, controller: SessionController): boolean {
  const id = controller.view.pending[0];
  if (id === undefined || !["KeyY", "KeyS", "KeyN", "KeyE"].includes(code)) return false;
  const card = approvalElement(id);
  if (!card || !isInView(card)) {
    // What cannot be seen is not answered, but shown.
    scrollConversation(id);
    return true;
  }
  if ("question" in card.dataset) return false;
  // A plan is accepted or not: once, and as it is.
  if ("planApproval" in card.dataset && (code === "KeyS" || code === "KeyE")) return false;
  if (code === "KeyN") ui.answer({ id, mode: "deny" });
  else if (code === "KeyE") ui.answer({ id, mode: "edit" });
  else if (controller.sender.isAnswering(id)) return true;
  else {
    const scope = code === "KeyS" ? "session" : "once";
    controller.sender.confirm({ tool_use_id: id, result: "allow", scope });
  }
  return true;
}
