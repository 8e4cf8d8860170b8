/**
 * From events to a view. `applyEvents` costs its events, whatever the length of the session; a page
 * of older events is put in front by folding everything that is loaded once more (`refold`), which
 * happens only when a person scrolls up.
 */
import type { LogEvent } from "../api/events";
import type { Session } from "../api/types";
import { Draft, timeOf } from "./draft";
import * as messages from "./messages";
import * as tools from "./tools";
import * as turns from "./turns";
import { emptyView, type View } from "./view";

const NEW_FILES = new Set(["worker_bound", "resumed", "files_taken_back", "workspace_restored"]);

/** The view after events `firstSeq`, `firstSeq` + 1, … Events that are already in it are skipped. */
export function applyEvents(view: View, firstSeq: number, events: readonly LogEvent[]): View {
  const draft = new Draft(view);
  events.forEach((event, index) => {
    const seq = firstSeq + index;
    if (seq <= draft.view.lastSeq && draft.view.firstSeq > 0) return;
    if (draft.view.firstSeq === 0) draft.view.firstSeq = seq;
    draft.view.lastSeq = seq;
    apply(draft, event, seq);
  });
  return draft.view;
}

/** Everything that is loaded, folded anew; text that is being written is carried over. */
export function refold(old: View, firstSeq: number, events: readonly LogEvent[]): View {
  const folded = applyEvents(emptyView(), firstSeq, events);
  const draft = new Draft({ ...folded, ...settingsOf(old) });
  for (const [id, bytes] of old.previewBytes) {
    const item = old.items.get(id);
    if (!item || draft.view.items.has(id)) continue;
    draft.append(item);
    draft.view.previewBytes.set(id, bytes);
  }
  return { ...draft.view, tasks: mergeTasks(old, draft.view), todos: latestTodos(old, draft.view) };
}

/** What the fold takes from a session's resource. */
export type SessionFacts = Pick<
  Session,
  | "agent"
  | "seq"
  | "title"
  | "model"
  | "permission_mode"
  | "permission_modes"
  | "state"
  | "cost_usd"
  | "usage"
  | "queue"
>;

/** Takes over what the session's resource says and the loaded part of the log may not. */
export function applySession(view: View, session: SessionFacts): View {
  if (session.seq < view.lastSeq) return view;
  const draft = new Draft(view);
  const next = draft.view;
  next.title = session.title;
  next.model = session.model ?? session.agent.model.id;
  next.permissionMode = session.permission_mode;
  next.permissionModes = session.permission_modes;
  next.state = session.state;
  next.costUsd = session.cost_usd;
  next.usage = session.usage;
  for (const queued of session.queue) {
    const { id, content, client_id, seq } = queued;
    if (!content) continue;
    const event = { id, type: "user.message", content } as const;
    const withClient = client_id ? { ...event, client_id } : event;
    messages.userMessage(draft, withClient, seq ?? 0);
  }
  return next;
}

function settingsOf(view: View): Partial<View> {
  const { title, costUsd, usage, contextTokens, contextWindow, state } = view;
  const { model, permissionMode, permissionModes, fileChanges, deleted } = view;
  return {
    title,
    costUsd,
    usage,
    contextTokens,
    contextWindow,
    state,
    model,
    permissionMode,
    permissionModes,
    fileChanges,
    deleted,
  };
}

function mergeTasks(old: View, next: View): View["tasks"] {
  const known = new Set(next.tasks.map((task) => task.id));
  return [...old.tasks.filter((task) => !known.has(task.id)), ...next.tasks];
}

function latestTodos(old: View, next: View): View["todos"] {
  return next.todos.length > 0 ? next.todos : old.todos;
}

function apply(draft: Draft, event: LogEvent, seq: number): void {
  const { view } = draft;
  switch (event.type) {
    case "user.message":
      messages.userMessage(draft, event, seq);
      return;
    case "user.message_update":
      messages.messageUpdate(draft, event);
      return;
    case "user.message_cancel":
      messages.messageCancel(draft, event);
      return;
    case "user.interrupt":
      view.stopping = view.turn !== null;
      return;
    case "user.tool_confirmation":
      tools.confirmation(draft, event);
      return;
    case "agent.message":
      turns.resolveProblem(draft);
      messages.answer(draft, event, seq);
      return;
    case "agent.thinking":
      turns.resolveProblem(draft);
      messages.thinking(draft, event, seq);
      return;
    case "agent.tool_use":
    case "agent.mcp_tool_use":
      turns.resolveProblem(draft);
      tools.toolUse(draft, event, seq);
      return;
    case "agent.tool_result":
    case "agent.mcp_tool_result":
      tools.toolResult(draft, event);
      return;
    case "span.turn_start":
      turns.turnStart(draft, event);
      return;
    case "span.turn_end":
      turns.turnEnd(draft, event, seq);
      return;
    case "span.model_request_start":
      view.modelRequestAt = timeOf(event);
      return;
    case "span.model_request_end":
      turns.modelRequestEnd(draft, event);
      return;
    default:
      applyRest(draft, event, seq);
      return;
  }
}

function applyRest(draft: Draft, event: LogEvent, seq: number): void {
  const { view } = draft;
  const base = { id: event.id, seq, at: timeOf(event), parent: null } as const;
  switch (event.type) {
    case "agent.todos":
      view.todos = event.todos;
      view.todosTurn = view.turn?.id ?? null;
      return;
    case "agent.task":
      turns.task(draft, event);
      return;
    case "agent.thread_context_compacted":
      draft.append({ ...base, kind: "change", what: "compacted", value: "" });
      return;
    case "session.error":
      turns.problem(draft, event, seq);
      return;
    case "session.notice":
      // Whoever shows files looks again: they may be others now.
      if (NEW_FILES.has(event.code)) view.fileChanges += 1;
      if (event.code === "worker_bound") return;
      draft.append({
        ...base,
        kind: "notice",
        code: event.code,
        level: event.level,
        message: event.message,
        parentSession: event.code === "forked" ? (event.data?.session_id ?? null) : null,
      });
      return;
    case "session.updated":
      turns.updated(draft, event, seq);
      return;
    case "session.usage":
      view.usage = event.usage;
      view.costUsd = turns.costOf(event.usage) ?? view.costUsd;
      return;
    case "session.deleted":
      view.deleted = true;
      return;
    case "session.status_running":
    case "session.status_idle":
    case "session.status_rescheduled":
    case "session.status_terminated":
      if (event.state) view.state = event.state;
      return;
    default:
      return;
  }
}
