/** Folding tool calls: what was asked for, what a person answered, what came out. */
import type { LogEvent, ToolResultEvent, ToolUseEvent } from "../api/events";
import { type Draft, timeOf } from "./draft";
import type { ToolItem, ToolState } from "./view";

type Of<T extends LogEvent["type"]> = Extract<LogEvent, { type: T }>;

const CHANGES_FILES = new Set(["Bash", "Write", "Edit", "NotebookEdit", "MultiEdit"]);

export function toolUse(draft: Draft, event: ToolUseEvent, seq: number): void {
  const before = draft.get(event.id, "tool");
  const asks = event.evaluated_permission === "ask";
  const state: ToolState =
    event.evaluated_permission === "deny" ? "denied" : asks ? "waiting" : "running";
  draft.append({
    kind: "tool",
    id: event.id,
    seq,
    at: timeOf(event),
    parent: event.parent_tool_use_id ?? null,
    name: event.name,
    server: event.mcp_server_name ?? null,
    input: event.input ?? {},
    title: event.title ?? null,
    description: event.description ?? null,
    rule: event.suggested_rule ?? null,
    reason: event.reason ?? null,
    background: event.background ?? event.input?.["run_in_background"] === true,
    state,
    answer: null,
    result: null,
    durationMs: null,
    children: before?.children ?? [],
  });
  if (asks) draft.view.pending = [...draft.view.pending, event.id];
  const { turn } = draft.view;
  if (turn) draft.view.turn = { ...turn, tools: turn.tools + 1 };
}

export function confirmation(draft: Draft, event: Of<"user.tool_confirmation">): void {
  settle(draft, event.tool_use_id);
  const item = draft.get(event.tool_use_id, "tool");
  if (!item) return;
  draft.put({
    ...item,
    input: event.updated_input ?? item.input,
    answer: event,
    state: event.result === "deny" ? "denied" : item.result ? item.state : "running",
  });
}

export function toolResult(draft: Draft, event: ToolResultEvent): void {
  const id = event.tool_use_id ?? event.mcp_tool_use_id;
  if (!id) return;
  settle(draft, id);
  const item = draft.get(id, "tool");
  if (!item) return;
  const isError = event.is_error === true;
  const content = event.content ?? [];
  const blocks = typeof content === "string" ? [{ type: "text", text: content } as const] : content;
  draft.put({
    ...item,
    state: finalState(item, isError),
    result: {
      blocks,
      isError,
      details: event.details ?? null,
      truncatedBytes: event.truncated_bytes ?? 0,
    },
    durationMs: event.duration_ms ?? elapsed(item, timeOf(event)),
  });
  if (CHANGES_FILES.has(item.name)) draft.view.fileChanges += 1;
}

/** The turn is over: whatever still runs or waits will not come to an end any more. */
export function closeTools(draft: Draft, ids: Iterable<string>): void {
  for (const id of ids) {
    const item = draft.get(id, "tool");
    if (!item || item.background) continue;
    if (item.state === "waiting") draft.put({ ...item, state: "expired" });
    else if (item.state === "running") draft.put({ ...item, state: "stopped" });
    closeTools(draft, item.children);
  }
}

function settle(draft: Draft, id: string): void {
  if (draft.view.pending.includes(id)) {
    draft.view.pending = draft.view.pending.filter((pending) => pending !== id);
  }
}

function finalState(item: ToolItem, isError: boolean): ToolState {
  if (item.state === "denied" || item.state === "expired") return item.state;
  // An answer would have come before the result: the question was withdrawn.
  if (item.state === "waiting" && isError) return "expired";
  return isError ? "failed" : "done";
}

function elapsed(item: ToolItem, end: number | null): number | null {
  return item.at === null || end === null ? null : Math.max(0, end - item.at);
}
