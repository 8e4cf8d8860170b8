/**
 * What the page shows of one session, as plain values. The fold (`fold.ts`) makes it from events
 * and previews; components read it. Nothing here knows the network, the clock or React.
 */
import type {
  ContentBlock,
  Json,
  JsonObject,
  SessionState,
  Todo,
  ToolConfirmation,
  Usage,
} from "../api/events";

interface ItemBase {
  readonly id: string;
  readonly seq: number;
  readonly at: number | null;
  /** The tool use (a helper) that this belongs to, null at the top level. */
  readonly parent: string | null;
}

export interface UserItem extends ItemBase {
  readonly kind: "user";
  readonly content: readonly ContentBlock[];
  readonly clientId: string | null;
  /** waiting: accepted and not started; it can still be changed or taken back. */
  readonly state: "waiting" | "started";
  readonly edited: boolean;
}

export interface AnswerItem extends ItemBase {
  readonly kind: "answer";
  readonly text: string;
  readonly streaming: boolean;
  /** True for text that was on its way when the turn was cut. */
  readonly partial: boolean;
}

export interface ThinkingItem extends ItemBase {
  readonly kind: "thinking";
  readonly text: string;
  readonly streaming: boolean;
  readonly durationMs: number | null;
}

export type ToolState =
  | "waiting"
  | "running"
  | "done"
  | "failed"
  | "denied"
  | "expired"
  | "stopped";

export interface ToolResult {
  readonly blocks: readonly ContentBlock[];
  readonly isError: boolean;
  readonly details: JsonObject | null;
  readonly truncatedBytes: number;
}

export interface ToolItem extends ItemBase {
  readonly kind: "tool";
  readonly name: string;
  readonly server: string | null;
  readonly input: JsonObject;
  readonly title: string | null;
  readonly description: string | null;
  readonly rule: string | null;
  /** Which rule of the agent decided, in words. */
  readonly reason: string | null;
  readonly background: boolean;
  readonly state: ToolState;
  readonly answer: ToolConfirmation | null;
  readonly result: ToolResult | null;
  readonly durationMs: number | null;
  readonly children: readonly string[];
}

export interface ProblemItem extends ItemBase {
  readonly kind: "problem";
  readonly errorType: string;
  readonly message: string;
  /** stopped: the turn ended before it was tried again. */
  readonly retry: "retrying" | "stopped" | "exhausted" | "terminal";
  readonly attempt: number | null;
  readonly maxRetries: number | null;
  readonly retryDelayMs: number | null;
  /** The work went on after it. */
  readonly resolved: boolean;
}

export interface NoticeItem extends ItemBase {
  readonly kind: "notice";
  readonly code: string;
  readonly level: "info" | "warning" | "error";
  readonly message: string;
  /** The session that this one was forked from. */
  readonly parentSession: string | null;
}

export interface ChangeItem extends ItemBase {
  readonly kind: "change";
  readonly what: "model" | "permission_mode" | "compacted";
  readonly value: string;
}

export interface TurnItem extends ItemBase {
  readonly kind: "turn";
  readonly outcome: "completed" | "interrupted" | "error";
  readonly reason: string | null;
  readonly message: string | null;
  readonly messageIds: readonly string[];
  readonly durationMs: number | null;
  readonly usage: Usage | null;
  readonly result: Json | undefined;
  /** Ids of the turn's answers, for copying. */
  readonly answers: readonly string[];
  readonly tools: number;
  /** The problem row right above already says what went wrong. */
  readonly explained: boolean;
}

export type Item =
  | UserItem
  | AnswerItem
  | ThinkingItem
  | ToolItem
  | ProblemItem
  | NoticeItem
  | ChangeItem
  | TurnItem;

export interface Task {
  readonly id: string;
  readonly status: "started" | "progress" | "completed" | "failed" | "stopped";
  readonly description: string;
  readonly summary: string | null;
  readonly toolUseId: string | null;
  readonly at: number | null;
}

export interface RunningTurn {
  readonly id: string;
  readonly startedAt: number | null;
  readonly messageIds: readonly string[];
  readonly answers: readonly string[];
  readonly tools: number;
  readonly origin: "user" | "task";
}

/**
 * `items` and `previewBytes` are owned by the fold and changed in place, so that an event costs the
 * same in a session of ten events and of ten thousand; the items themselves are never changed but
 * replaced. After a fold, the view that went in must not be used any more.
 */
export interface View {
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly rows: readonly string[];
  readonly items: Map<string, Item>;
  /** Bytes of UTF-8 text that arrived of each event that is still being written. */
  readonly previewBytes: Map<string, number>;
  readonly queue: readonly string[];
  readonly pending: readonly string[];
  readonly todos: readonly Todo[];
  /** The turn in which the plan was last changed. */
  readonly todosTurn: string | null;
  /** The trouble that is being retried now. */
  readonly openProblem: string | null;
  readonly tasks: readonly Task[];
  readonly turn: RunningTurn | null;
  readonly stopping: boolean;
  readonly state: SessionState;
  readonly title: string | null;
  readonly model: string | null;
  readonly permissionMode: string;
  /** Those that the session can be switched to. */
  readonly permissionModes: readonly string[];
  readonly costUsd: number;
  readonly usage: Usage | null;
  readonly contextTokens: number | null;
  readonly contextWindow: number | null;
  readonly modelRequestAt: number | null;
  /** Counts changes of files by tools, for whoever shows the workspace. */
  readonly fileChanges: number;
  readonly deleted: boolean;
}

export function emptyView(): View {
  return {
    firstSeq: 0,
    lastSeq: 0,
    rows: [],
    items: new Map(),
    previewBytes: new Map(),
    queue: [],
    pending: [],
    todos: [],
    todosTurn: null,
    openProblem: null,
    tasks: [],
    turn: null,
    stopping: false,
    state: "creating",
    title: null,
    model: null,
    permissionMode: "default",
    permissionModes: [],
    costUsd: 0,
    usage: null,
    contextTokens: null,
    contextWindow: null,
    modelRequestAt: null,
    fileChanges: 0,
    deleted: false,
  };
}
