/**
 * The events of a session's log and the messages of its socket, as docs/reference/protocol.md
 * gives them. The log may hold types that this page does not know yet: every fold ignores those.
 */

export type SessionState = "creating" | "active" | "running" | "paused" | "completed" | "error";

export type Source =
  | { readonly type: "file"; readonly file_id: string }
  | { readonly type: "base64"; readonly media_type: string; readonly data: string }
  | { readonly type: "text"; readonly media_type?: string; readonly data: string };

export type ContentBlock =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "image"; readonly source: Source }
  | { readonly type: "document"; readonly source: Source; readonly title?: string | null };

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

export interface Usage {
  readonly input_tokens?: number;
  readonly output_tokens?: number;
  readonly cache_read_input_tokens?: number;
  readonly cache_creation_input_tokens?: number;
  readonly cache_creation?: {
    readonly ephemeral_5m_input_tokens?: number;
    readonly ephemeral_1h_input_tokens?: number;
  };
  /** In whole cents, as Anthropic's API has it. */
  readonly list_cost?: { readonly amount: number | string; readonly currency: string };
  /** The exact cost, in millionths of a US dollar. */
  readonly cost_microusd?: number;
}

export interface Todo {
  readonly content: string;
  readonly status: "pending" | "in_progress" | "completed";
  readonly active_form?: string;
}

interface Base {
  readonly id: string;
  readonly seq?: number;
  readonly processed_at?: string | null;
}

interface Nested extends Base {
  readonly parent_tool_use_id?: string | null;
  readonly session_thread_id?: string | null;
}

export interface UserMessageEvent extends Base {
  readonly type: "user.message";
  readonly content: readonly ContentBlock[];
  readonly client_id?: string;
  readonly user_id?: string;
}

export interface ToolConfirmation {
  readonly type: "user.tool_confirmation";
  readonly tool_use_id: string;
  readonly result: "allow" | "deny";
  readonly deny_message?: string;
  readonly scope?: "once" | "session";
  readonly updated_input?: JsonObject;
  readonly answers?: Readonly<Record<string, string | readonly string[]>>;
}

export interface ToolUseEvent extends Nested {
  readonly type: "agent.tool_use" | "agent.mcp_tool_use";
  readonly name: string;
  readonly mcp_server_name?: string;
  readonly input: JsonObject;
  readonly evaluated_permission?: "allow" | "ask" | "deny";
  /** Which rule decided, in words. */
  readonly reason?: string | null;
  readonly title?: string | null;
  readonly description?: string | null;
  readonly suggested_rule?: string | null;
  readonly background?: boolean;
}

export interface ToolResultEvent extends Nested {
  readonly type: "agent.tool_result" | "agent.mcp_tool_result";
  readonly tool_use_id?: string;
  readonly mcp_tool_use_id?: string;
  readonly content?: string | readonly ContentBlock[] | null;
  readonly is_error?: boolean | null;
  readonly duration_ms?: number | null;
  readonly details?: JsonObject | null;
  readonly truncated_bytes?: number | null;
}

export interface TaskEvent extends Base {
  readonly type: "agent.task";
  readonly task_id: string;
  readonly status: "started" | "progress" | "completed" | "failed" | "stopped";
  readonly description?: string;
  readonly summary?: string | null;
  readonly tool_use_id?: string | null;
  readonly usage?: JsonObject | null;
}

export interface ErrorEvent extends Base {
  readonly type: "session.error";
  readonly error: {
    readonly type: string;
    readonly message: string;
    readonly retry_status?: { readonly type: "retrying" | "exhausted" | "terminal" };
    readonly attempt?: number;
    readonly max_retries?: number;
    readonly retry_delay_ms?: number;
    readonly status?: number;
  };
}

export interface TurnEndEvent extends Base {
  readonly type: "span.turn_end";
  readonly outcome: "completed" | "interrupted" | "error";
  readonly reason?: string | null;
  readonly turn_start_id?: string;
  readonly message_ids?: readonly string[];
  readonly duration_ms?: number | null;
  readonly num_turns?: number | null;
  readonly usage?: Usage | null;
  readonly structured_output?: Json;
  readonly error?: string | { readonly message?: string } | null;
  readonly partial?: readonly { readonly event_id: string; readonly text: string }[] | null;
}

export interface NoticeEvent extends Base {
  readonly type: "session.notice";
  readonly code: string;
  readonly level: "info" | "warning" | "error";
  readonly message: string;
  readonly data?: { readonly session_id?: string } | null;
}

export interface UpdatedEvent extends Base {
  readonly type: "session.updated";
  readonly title?: string | null;
  readonly model?: string | null;
  readonly permission_mode?: string;
}

export interface ModelRequestEnd extends Base {
  readonly type: "span.model_request_end";
  readonly model_usage?: Usage | null;
  readonly model?: string | null;
  readonly context_window?: number | null;
  readonly is_error?: boolean | null;
}

export type LogEvent =
  | UserMessageEvent
  | (Base & {
      readonly type: "user.message_update";
      readonly message_id: string;
      readonly content: readonly ContentBlock[];
    })
  | (Base & { readonly type: "user.message_cancel"; readonly message_id: string })
  | (Base & { readonly type: "user.interrupt" })
  | (Base & ToolConfirmation & { readonly user_id?: string })
  | UpdatedEvent
  | (Base & {
      readonly type:
        | "session.status_running"
        | "session.status_rescheduled"
        | "session.status_terminated"
        | "session.deleted";
      readonly state?: SessionState;
    })
  | (Base & {
      readonly type: "session.status_idle";
      readonly state?: SessionState;
      readonly stop_reason?: { readonly type: string; readonly event_ids?: readonly string[] };
    })
  | (Base & { readonly type: "session.usage"; readonly usage: Usage })
  | NoticeEvent
  | ErrorEvent
  | (Nested & { readonly type: "session.thread_created"; readonly agent_name?: string })
  | (Nested & { readonly type: "agent.message"; readonly content: readonly ContentBlock[] })
  | (Nested & { readonly type: "agent.thinking"; readonly thinking: string })
  | ToolUseEvent
  | ToolResultEvent
  | (Base & { readonly type: "agent.todos"; readonly todos: readonly Todo[] })
  | TaskEvent
  | (Base & { readonly type: "agent.thread_context_compacted"; readonly pre_tokens?: number })
  | (Base & {
      readonly type: "span.turn_start";
      readonly message_ids?: readonly string[];
      readonly origin?: "user" | "task";
    })
  | TurnEndEvent
  | (Base & { readonly type: "span.model_request_start"; readonly model?: string })
  | ModelRequestEnd;

export type Preview =
  | {
      readonly type: "event_start";
      readonly event: { readonly id: string; readonly type: string };
      readonly parent_tool_use_id?: string | null;
    }
  | {
      readonly type: "event_delta";
      readonly event_id: string;
      readonly offset: number;
      readonly delta: {
        readonly content: { readonly text?: string; readonly thinking?: string };
      };
    };

/** What a client may put on the log. */
export type ClientEvent =
  | { readonly type: "user.message"; readonly content: readonly ContentBlock[] }
  | {
      readonly type: "user.message_update";
      readonly message_id: string;
      readonly content: readonly ContentBlock[];
    }
  | { readonly type: "user.message_cancel"; readonly message_id: string }
  | { readonly type: "user.interrupt" }
  | ToolConfirmation;

export interface ApiErrorBody {
  readonly type: string;
  readonly message: string;
}
