/** Events and a session for the tests of the fold. */
import type { LogEvent } from "../api/events";
import { applyEvents, type SessionFacts } from "./fold";
import { emptyView, type View } from "./view";

export const text = (value: string) => [{ type: "text", text: value } as const];
export const at = (second: number) => new Date(second * 1000).toISOString();

export const ask = (id: string, value = id): LogEvent => ({
  id,
  type: "user.message",
  content: text(value),
  client_id: `c-${id}`,
});
export const start = (id: string, ...message_ids: string[]): LogEvent => ({
  id,
  type: "span.turn_start",
  message_ids,
  processed_at: at(1),
});
export const end = (
  id: string,
  outcome: "completed" | "interrupted" | "error" = "completed",
): LogEvent => ({ id, type: "span.turn_end", outcome, processed_at: at(9) });
export const says = (id: string, value: string, parent?: string): LogEvent => ({
  id,
  type: "agent.message",
  content: text(value),
  ...(parent ? { parent_tool_use_id: parent } : {}),
});
export const tool = (id: string, name: string, more: object = {}): LogEvent => ({
  id,
  type: "agent.tool_use",
  name,
  input: { command: "ls" },
  evaluated_permission: "allow",
  processed_at: at(2),
  ...more,
});
export const result = (tool_use_id: string, more: object = {}): LogEvent => ({
  id: `r-${tool_use_id}`,
  type: "agent.tool_result",
  tool_use_id,
  content: text("ok"),
  is_error: false,
  processed_at: at(4),
  ...more,
});

export function fold(...events: LogEvent[]): View {
  return applyEvents(emptyView(), 1, events);
}

export const kinds = (view: View) => view.rows.map((id) => view.items.get(id)?.kind);
export const SESSION: SessionFacts = {
  agent: {
    type: "agent",
    id: "agent_1",
    version: 1,
    name: "Agent",
    description: null,
    model: { id: "default" },
    system: null,
    tools: [],
    mcp_servers: [],
    skills: [],
    execution_identity: { type: "service_account" },
    options: {},
  },
  seq: 100,
  title: "Tidy up",
  state: "active",
  model: "m",
  permission_modes: ["default", "plan"],
  permission_mode: "plan",
  queue: [],
  cost_usd: 0.5,
  usage: {
    input_tokens: 1,
    output_tokens: 1,
    cache_read_input_tokens: 0,
    cache_creation: { ephemeral_1h_input_tokens: 0, ephemeral_5m_input_tokens: 0 },
    list_cost: { amount: "50", currency: "USD" },
  },
};
