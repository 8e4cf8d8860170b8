/** The outboxes of this page. What the browser's storage does not take lives as long as the page. */
import type { ContentBlock } from "../api/events";
import { type KeyValue, type Memory, Outbox } from "../api/outbox";
import { newId } from "../lib/ids";

const memory: Memory = new Map();

/** Named only when it is used: a browser that allows no storage throws as soon as it is named. */
const storage: KeyValue = {
  getItem: (key) => localStorage.getItem(key),
  setItem: (key, value) => localStorage.setItem(key, value),
  removeItem: (key) => localStorage.removeItem(key),
};

export function outboxOf(sessionId: string): Outbox {
  return new Outbox(sessionId, storage, memory);
}

/** Leaves a message for a session that is about to be opened, which sends it. */
export function leaveMessage(sessionId: string, content: readonly ContentBlock[]): void {
  outboxOf(sessionId).add({
    clientId: newId(),
    events: [{ type: "user.message", content }],
    at: Date.now(),
    refused: null,
  });
}
