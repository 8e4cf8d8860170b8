import { expect, test } from "vitest";
import type { LogEvent } from "../api/events";
import { applyEvents, applySession, refold, type SessionFacts } from "./fold";
import { applyPreviews, withdrawPreview } from "./previews";
import { emptyView, type View } from "./view";

const text = (value: string) => [{ type: "text", text: value } as const];
const at = (second: number) => new Date(second * 1000).toISOString();

const ask = (id: string, value = id): LogEvent => ({
  id,
  type: "user.message",
  content: text(value),
  client_id: `c-${id}`,
});
const start = (id: string, ...message_ids: string[]): LogEvent => ({
  id,
  type: "span.turn_start",
  message_ids,
  processed_at: at(1),
});
const end = (
  id: string,
  outcome: "completed" | "interrupted" | "error" = "completed",
): LogEvent => ({ id, type: "span.turn_end", outcome, processed_at: at(9) });
const says = (id: string, value: string, parent?: string): LogEvent => ({
  id,
  type: "agent.message",
  content: text(value),
  ...(parent ? { parent_tool_use_id: parent } : {}),
});
const tool = (id: string, name: string, more: object = {}): LogEvent => ({
  id,
  type: "agent.tool_use",
  name,
  input: { command: "ls" },
  evaluated_permission: "allow",
  processed_at: at(2),
  ...more,
});
const result = (tool_use_id: string, more: object = {}): LogEvent => ({
  id: `r-${tool_use_id}`,
  type: "agent.tool_result",
  tool_use_id,
  content: text("ok"),
  is_error: false,
  processed_at: at(4),
  ...more,
});

function fold(...events: LogEvent[]): View {
  return applyEvents(emptyView(), 1, events);
}

const kinds = (view: View) => view.rows.map((id) => view.items.get(id)?.kind);
const SESSION: SessionFacts = {
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

test("a turn is shown as message, tool, answer and its end", () => {
  const view = fold(
    ask("m1"),
    start("t1", "m1"),
    tool("u1", "Bash"),
    result("u1"),
    says("a1", "Done."),
    end("e1"),
  );
  expect(kinds(view)).toEqual(["user", "tool", "answer", "turn"]);
  expect(view.items.get("u1")).toMatchObject({ state: "done", durationMs: 2000 });
  expect(view.items.get("e1")).toMatchObject({
    answers: ["a1"],
    tools: 1,
    durationMs: 8000,
    messageIds: ["m1"],
  });
  expect(view.turn).toBeNull();
});

test("a message that comes while a turn runs is queued, and shown where its own turn starts", () => {
  const before = fold(ask("m1"), start("t1", "m1"), ask("m2"), says("a1", "one"));
  expect(before.queue).toEqual(["m2"]);
  const after = applyEvents(before, 5, [end("e1"), start("t2", "m2")]);
  expect(after.queue).toEqual([]);
  expect(after.rows).toEqual(["m1", "a1", "e1", "m2"]);
});

test("a queued message can be edited and taken back, a started one not", () => {
  const view = fold(
    ask("m1"),
    start("t1", "m1"),
    ask("m2"),
    ask("m3"),
    { id: "x1", type: "user.message_update", message_id: "m2", content: text("new") },
    { id: "x2", type: "user.message_cancel", message_id: "m3" },
    { id: "x3", type: "user.message_cancel", message_id: "m1" },
  );
  expect(view.queue).toEqual(["m2"]);
  expect(view.items.get("m2")).toMatchObject({ edited: true, content: text("new") });
  expect(view.rows).toEqual(["m1"]);
});

test("a tool that asks waits until somebody answers, and keeps the edited input", () => {
  const waiting = fold(
    ask("m1"),
    start("t1", "m1"),
    tool("u1", "Bash", { evaluated_permission: "ask" }),
  );
  expect(waiting.pending).toEqual(["u1"]);
  const answered = applyEvents(waiting, 4, [
    {
      id: "c1",
      type: "user.tool_confirmation",
      tool_use_id: "u1",
      result: "allow",
      updated_input: { command: "ls -a" },
    },
  ]);
  expect(answered.pending).toEqual([]);
  expect(answered.items.get("u1")).toMatchObject({ state: "running", input: { command: "ls -a" } });
});

test("a denied tool stays denied when its error result comes", () => {
  const view = fold(
    tool("u1", "Bash", { evaluated_permission: "ask" }),
    {
      id: "c1",
      type: "user.tool_confirmation",
      tool_use_id: "u1",
      result: "deny",
      deny_message: "no",
    },
    result("u1", { is_error: true }),
  );
  expect(view.items.get("u1")).toMatchObject({ state: "denied" });
});

test("a turn that is cut closes its questions and its running tools, and keeps partial text", () => {
  const view = fold(
    ask("m1"),
    start("t1", "m1"),
    tool("u1", "Bash"),
    tool("u2", "Write", { evaluated_permission: "ask" }),
    {
      id: "e1",
      type: "span.turn_end",
      outcome: "interrupted",
      reason: "worker_lost",
      partial: [{ event_id: "a9", text: "Half a" }],
    },
  );
  expect(view.items.get("u1")).toMatchObject({ state: "stopped" });
  expect(view.items.get("u2")).toMatchObject({ state: "expired" });
  expect(view.items.get("a9")).toMatchObject({ partial: true, text: "Half a" });
  expect(view.pending).toEqual([]);
});

test("what a helper does is kept under the tool that started it", () => {
  const view = fold(
    tool("p1", "Agent"),
    says("a1", "inside", "p1"),
    tool("u1", "Read", { parent_tool_use_id: "p1" }),
    says("a2", "outside"),
  );
  expect(view.rows).toEqual(["p1", "a2"]);
  expect(view.items.get("p1")).toMatchObject({ children: ["a1", "u1"] });
});

test("repeated tries of one request are one row that is resolved when the work goes on", () => {
  const error = (id: string, attempt: number): LogEvent => ({
    id,
    type: "session.error",
    error: {
      type: "overloaded_error",
      message: "busy",
      retry_status: { type: "retrying" },
      attempt,
    },
  });
  const view = fold(start("t1"), error("x1", 1), error("x2", 2));
  expect(view.rows).toEqual(["x1"]);
  expect(view.items.get("x1")).toMatchObject({ attempt: 2, resolved: false });
  const started = applyPreviews(
    view,
    [{ type: "event_start", event: { id: "a1", type: "agent.message" } }],
    0,
  ).view;
  expect(applyEvents(started, 4, [says("a1", "hi")]).items.get("x1")).toMatchObject({
    resolved: true,
  });
});

test("an event that is already folded changes nothing", () => {
  const view = fold(ask("m1"), start("t1", "m1"), says("a1", "x"));
  expect(applyEvents(view, 2, [start("t1", "m1"), says("a1", "x")]).rows).toEqual(["m1", "a1"]);
});

test("an unknown event type is passed over", () => {
  const unknown = { id: "q", type: "future.thing" } as unknown as LogEvent;
  expect(fold(ask("m1"), unknown).lastSeq).toBe(2);
});

test("previews grow a row that its fact then replaces", () => {
  const first = applyPreviews(
    fold(ask("m1"), start("t1", "m1")),
    [
      { type: "event_start", event: { id: "a1", type: "agent.message" } },
      { type: "event_delta", event_id: "a1", offset: 0, delta: { content: { text: "Grüß" } } },
    ],
    0,
  );
  expect(first.view.previewBytes.get("a1")).toBe(6);
  const second = applyPreviews(
    first.view,
    [{ type: "event_delta", event_id: "a1", offset: 2, delta: { content: { text: "üß dich" } } }],
    0,
  );
  expect(second.view.items.get("a1")).toMatchObject({ text: "Grüß dich", streaming: true });
  const done = applyEvents(second.view, 3, [says("a1", "Grüß dich!")]);
  expect(done.rows).toEqual(["m1", "a1"]);
  expect(done.items.get("a1")).toMatchObject({ text: "Grüß dich!", streaming: false });
});

test("a gap in a preview is reported and not papered over", () => {
  const { view } = applyPreviews(
    emptyView(),
    [{ type: "event_start", event: { id: "a1", type: "agent.message" } }],
    0,
  );
  const { gap, view: next } = applyPreviews(
    view,
    [{ type: "event_delta", event_id: "a1", offset: 5, delta: { content: { text: "x" } } }],
    0,
  );
  expect(gap).toBe("a1");
  expect(next.items.get("a1")).toMatchObject({ text: "" });
});

test("a withdrawn preview is gone", () => {
  const { view } = applyPreviews(
    emptyView(),
    [{ type: "event_start", event: { id: "a1", type: "agent.message" } }],
    0,
  );
  expect(withdrawPreview(view, "a1").rows).toEqual([]);
});

test("folding older events in front gives the same as folding all at once", () => {
  const log = [
    ask("m1"),
    start("t1", "m1"),
    tool("u1", "Bash"),
    result("u1"),
    says("a1", "x"),
    end("e1"),
    ask("m2"),
    start("t2", "m2"),
  ];
  const tail = applyEvents(emptyView(), 4, log.slice(3));
  const whole = refold(tail, 1, log);
  expect(whole.rows).toEqual(fold(...log).rows);
  expect(whole.firstSeq).toBe(1);
});

test("the session's own answer brings settings and a queue that the loaded part does not hold", () => {
  const view = applySession(applyEvents(emptyView(), 99, [start("t1"), says("a1", "x")]), {
    ...SESSION,
    state: "running",
    queue: [{ id: "m7", content: text("later"), seq: 50 }],
  });
  expect(view).toMatchObject({
    title: "Tidy up",
    permissionMode: "plan",
    costUsd: 0.5,
    queue: ["m7"],
  });
});

test("a session's answer that is older than the log changes nothing", () => {
  const view = applyEvents(emptyView(), 101, [start("t1")]);
  expect(applySession(view, SESSION)).toBe(view);
});

test("a batch copies the list of rows once, however many events it holds", () => {
  const log: LogEvent[] = [];
  for (let index = 0; index < 2500; index += 1) {
    log.push(
      ask(`m${index}`),
      start(`t${index}`, `m${index}`),
      says(`a${index}`, "x"),
      end(`e${index}`),
    );
  }
  const view = applyEvents(emptyView(), 1, log);
  expect(view.rows).toHaveLength(7500);
  const settings = applyEvents(view, 10_001, [start("t2500")]);
  expect(settings.rows, "an event without a row keeps the list itself").toBe(view.rows);
});
