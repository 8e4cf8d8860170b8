import { expect, test } from "vitest";
import type { LogEvent } from "../api/events";
import { applyEvents, applySession, refold } from "./fold";
import { applyPreviews, withdrawPreview } from "./previews";
import { ask, end, fold, result, SESSION, says, start, text, tool } from "./samples";
import { emptyView } from "./view";

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
