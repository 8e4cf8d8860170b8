/** Folding what people and the agent say: messages, the queue, answers, thinking. */
import type { ContentBlock, LogEvent, UserMessageEvent } from "../api/events";
import { type Draft, timeOf } from "./draft";
import type { UserItem } from "./view";

type Of<T extends LogEvent["type"]> = Extract<LogEvent, { type: T }>;

/** The text blocks of a content list, joined. */
export function textOf(content: readonly ContentBlock[] | string | null | undefined): string {
  if (!content) return "";
  if (typeof content === "string") return content;
  return content.map((block) => (block.type === "text" ? block.text : "")).join("");
}

/** A message that arrives while another runs or waits is queued; otherwise it is shown at once. */
export function userMessage(draft: Draft, event: UserMessageEvent, seq: number): void {
  if (draft.view.items.has(event.id)) return;
  const item: UserItem = {
    kind: "user",
    id: event.id,
    seq,
    at: timeOf(event),
    parent: null,
    content: event.content,
    clientId: event.client_id ?? null,
    state: "waiting",
    edited: false,
  };
  const { turn, queue } = draft.view;
  const last = draft.last();
  const busy = turn !== null || queue.length > 0 || (last?.kind === "user" && isWaiting(last));
  if (busy) {
    draft.put(item);
    draft.view.queue = [...queue, item.id];
  } else {
    draft.append(item);
  }
}

/** The turn of these messages begins: they take their place in the conversation. */
export function startMessages(draft: Draft, ids: readonly string[]): void {
  for (const id of ids) {
    const item = draft.get(id, "user");
    if (!item) continue;
    if (draft.view.queue.includes(id)) {
      draft.view.queue = draft.view.queue.filter((queued) => queued !== id);
      draft.view.items.delete(id);
    }
    draft.append({ ...item, state: "started" });
  }
}

export function messageUpdate(draft: Draft, event: Of<"user.message_update">): void {
  const item = draft.get(event.message_id, "user");
  if (item && isWaiting(item)) draft.put({ ...item, content: event.content, edited: true });
}

export function messageCancel(draft: Draft, event: Of<"user.message_cancel">): void {
  const item = draft.get(event.message_id, "user");
  if (!item || !isWaiting(item)) return;
  if (draft.view.queue.includes(item.id)) {
    draft.view.queue = draft.view.queue.filter((queued) => queued !== item.id);
    draft.view.items.delete(item.id);
  } else {
    draft.remove(item.id);
  }
}

export function answer(draft: Draft, event: Of<"agent.message">, seq: number): void {
  draft.view.previewBytes.delete(event.id);
  const text = textOf(event.content);
  if (!text.trim()) {
    draft.remove(event.id);
    return;
  }
  const parent = event.parent_tool_use_id ?? null;
  draft.append({
    kind: "answer",
    id: event.id,
    seq,
    at: timeOf(event),
    parent,
    text,
    streaming: false,
    partial: false,
  });
  const { turn } = draft.view;
  if (parent === null && turn) draft.view.turn = { ...turn, answers: [...turn.answers, event.id] };
}

export function thinking(draft: Draft, event: Of<"agent.thinking">, seq: number): void {
  draft.view.previewBytes.delete(event.id);
  if (!event.thinking?.trim()) {
    draft.remove(event.id);
    return;
  }
  const at = timeOf(event);
  const started = draft.view.modelRequestAt;
  draft.append({
    kind: "thinking",
    id: event.id,
    seq,
    at,
    parent: event.parent_tool_use_id ?? null,
    text: event.thinking,
    streaming: false,
    durationMs: at !== null && started !== null ? Math.max(0, at - started) : null,
  });
}

function isWaiting(item: UserItem): boolean {
  return item.state === "waiting";
}
