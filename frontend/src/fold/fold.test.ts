import { expect, test } from "vitest";
import type { LogEvent } from "../api/events";
import { applyEvents } from "./fold";
import { applyPreviews } from "./previews";
import { ask, end, fold, kinds, result, says, start, text, tool } from "./samples";

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

const busy = (id: string, attempt: number): LogEvent => ({
  id,
  type: "session.error",
  error: {
    type: "overloaded_error",
    message: "busy",
    retry_status: { type: "retrying" },
    attempt,
  },
});

test("a turn that is stopped while something is tried again tries nothing any more", () => {
  const view = fold(start("t1"), busy("x1", 1), end("e1", "interrupted"));
  expect(view.items.get("x1")).toMatchObject({ retry: "stopped", resolved: false });
  expect(view.items.get("e1")).toMatchObject({ explained: false });
  const done = fold(start("t1"), busy("x1", 1), end("e1"));
  expect(done.items.get("x1")).toMatchObject({ resolved: true });
});

test("repeated tries of one request are one row that is resolved when the work goes on", () => {
  const view = fold(start("t1"), busy("x1", 1), busy("x2", 2));
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
