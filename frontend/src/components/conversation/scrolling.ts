/** Lets the rest of the page move the conversation: to one row, or to its end (null). */
type Listener = (rowId: string | null) => void;

const listeners = new Set<Listener>();

export function onScrollRequest(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function scrollConversation(rowId: string | null): void {
  for (const listener of listeners) listener(rowId);
}

export const CONVERSATION_ID = "conversation";

/** Puts the focus on the conversation itself, where it stands. */
export function focusConversation(): void {
  document.getElementById(CONVERSATION_ID)?.focus({ preventScroll: true });
}
