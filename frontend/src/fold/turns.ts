/** Folding the frame around the talk: turns, errors, notices, settings, usage, tasks. */
import type {
  ErrorEvent,
  LogEvent,
  ModelRequestEnd,
  TaskEvent,
  TurnEndEvent,
  UpdatedEvent,
  Usage,
} from "../api/events";
import { type Draft, timeOf } from "./draft";
import { startMessages } from "./messages";
import { closeTools } from "./tools";
import type { Item, Task } from "./view";

type Of<T extends LogEvent["type"]> = Extract<LogEvent, { type: T }>;

export function turnStart(draft: Draft, event: Of<"span.turn_start">): void {
  const messageIds = event.message_ids ?? [];
  startMessages(draft, messageIds);
  draft.view.turn = {
    id: event.id,
    startedAt: timeOf(event),
    messageIds,
    answers: [],
    tools: 0,
    origin: event.origin ?? "user",
  };
  draft.view.stopping = false;
}

export function turnEnd(draft: Draft, event: TurnEndEvent, seq: number): void {
  const { turn } = draft.view;
  dropPreviews(draft);
  const at = timeOf(event);
  for (const part of event.partial ?? []) {
    if (!part.text.trim() || draft.view.items.has(part.event_id)) continue;
    const id = part.event_id;
    draft.append({
      kind: "answer",
      id,
      seq,
      at,
      parent: null,
      text: part.text,
      streaming: false,
      partial: true,
    });
  }
  closeTools(draft, openTools(draft));
  const last = draft.last();
  const message = typeof event.error === "string" ? event.error : (event.error?.message ?? null);
  draft.append({
    kind: "turn",
    id: event.id,
    seq,
    at,
    parent: null,
    outcome: event.outcome,
    reason: event.reason ?? null,
    message,
    messageIds: event.message_ids ?? turn?.messageIds ?? [],
    durationMs: event.duration_ms ?? (turn?.startedAt && at ? at - turn.startedAt : null),
    usage: event.usage ?? null,
    result: event.structured_output ?? undefined,
    answers: turn?.answers ?? [],
    tools: turn?.tools ?? 0,
    explained: last?.kind === "problem" && last.retry !== "retrying",
  });
  if (event.outcome === "completed") resolveProblem(draft);
  else stopRetrying(draft);
  draft.view.turn = null;
  draft.view.stopping = false;
  draft.view.pending = [];
}

/** The rows of the turn that ends, newest first, as far as its beginning. */
function* openTools(draft: Draft): Iterable<string> {
  const { rows, items } = draft.view;
  for (let index = rows.length - 1; index >= 0; index -= 1) {
    const item = items.get(rows[index] ?? "");
    if (!item || item.kind === "turn") return;
    if (item.kind === "tool") yield item.id;
  }
}

/** Text that never became a fact is not shown as if it had. */
function dropPreviews(draft: Draft): void {
  for (const id of [...draft.view.previewBytes.keys()]) draft.remove(id);
}

/** Every try of one request is the same row; the last one tells how it stands. */
export function problem(draft: Draft, event: ErrorEvent, seq: number): void {
  const { error } = event;
  const { openProblem } = draft.view;
  const retry = error.retry_status?.type ?? "terminal";
  const item: Item = {
    kind: "problem",
    id: openProblem ?? event.id,
    seq,
    at: timeOf(event),
    parent: null,
    errorType: error.type,
    message: error.message,
    retry,
    attempt: error.attempt ?? null,
    maxRetries: error.max_retries ?? null,
    retryDelayMs: error.retry_delay_ms ?? null,
    resolved: false,
  };
  draft.append(item);
  draft.view.openProblem = retry === "retrying" ? item.id : null;
}

/** The agent goes on: the trouble that was being retried is over. */
export function resolveProblem(draft: Draft): void {
  const { openProblem } = draft.view;
  if (openProblem === null) return;
  const item = draft.get(openProblem, "problem");
  if (item) draft.put({ ...item, resolved: true });
  draft.view.openProblem = null;
}

/** The turn is over: nothing will be tried again. */
function stopRetrying(draft: Draft): void {
  const { openProblem } = draft.view;
  if (openProblem === null) return;
  const item = draft.get(openProblem, "problem");
  if (item) draft.put({ ...item, retry: "stopped" });
  draft.view.openProblem = null;
}

export function updated(draft: Draft, event: UpdatedEvent, seq: number): void {
  const { view } = draft;
  const base = { seq, at: timeOf(event), parent: null, kind: "change" } as const;
  if (event.title !== undefined) view.title = event.title;
  if (event.model && event.model !== view.model) {
    view.model = event.model;
    draft.append({ ...base, id: `${event.id}:model`, what: "model", value: event.model });
  }
  const mode = event.permission_mode;
  if (mode && mode !== view.permissionMode) {
    view.permissionMode = mode;
    draft.append({ ...base, id: `${event.id}:mode`, what: "permission_mode", value: mode });
  }
}

export function modelRequestEnd(draft: Draft, event: ModelRequestEnd): void {
  const usage = event.model_usage;
  if (event.is_error || !usage) return;
  const tokens =
    (usage.input_tokens ?? 0) +
    (usage.cache_read_input_tokens ?? 0) +
    (usage.cache_creation_input_tokens ?? 0) +
    (usage.output_tokens ?? 0);
  if (tokens > 0) draft.view.contextTokens = tokens;
  if (event.context_window) draft.view.contextWindow = event.context_window;
}

export function costOf(usage: Usage): number | null {
  if (usage.cost_microusd !== undefined) return usage.cost_microusd / 1_000_000;
  const cents = Number(usage.list_cost?.amount);
  return Number.isFinite(cents) ? cents / 100 : null;
}

export function task(draft: Draft, event: TaskEvent): void {
  const known = draft.view.tasks.find((entry) => entry.id === event.task_id);
  const next: Task = {
    id: event.task_id,
    status: event.status,
    description: event.description || known?.description || "",
    summary: event.summary ?? known?.summary ?? null,
    toolUseId: event.tool_use_id ?? known?.toolUseId ?? null,
    at: known?.at ?? timeOf(event),
  };
  draft.view.tasks = known
    ? draft.view.tasks.map((entry) => (entry === known ? next : entry))
    : [...draft.view.tasks, next];
}
