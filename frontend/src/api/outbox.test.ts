import { expect, test } from "vitest";
import { type KeyValue, Outbox, type OutboxEntry } from "./outbox";

function storage(initial: Record<string, string> = {}): KeyValue {
  const values = new Map(Object.entries(initial));
  return {
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => void values.set(key, value),
    removeItem: (key) => void values.delete(key),
  };
}

const entry = (clientId: string): OutboxEntry => ({
  clientId,
  events: [{ type: "user.message", content: [{ type: "text", text: clientId }] }],
  at: 1,
  refused: null,
});

test("what was sent stays, in order, until it is acknowledged", () => {
  const shared = storage();
  const outbox = new Outbox("s", shared);
  outbox.add(entry("a"));
  outbox.add(entry("b"));
  expect(new Outbox("s", shared).read().map((item) => item.clientId)).toEqual(["a", "b"]);
  outbox.remove("a");
  expect(new Outbox("s", shared).read().map((item) => item.clientId)).toEqual(["b"]);
});

test("a refused entry stays with the reason", () => {
  const outbox = new Outbox("s", storage());
  outbox.add(entry("a"));
  expect(outbox.refuse("a", "queue full")[0]?.refused).toBe("queue full");
});

test("sessions do not see each other's entries", () => {
  const shared = storage();
  new Outbox("s1", shared).add(entry("a"));
  expect(new Outbox("s2", shared).read()).toEqual([]);
});

test("a damaged storage is an empty outbox", () => {
  expect(new Outbox("s", storage({ "csp.outbox.s": "{nope" })).read()).toEqual([]);
  expect(new Outbox("s", storage({ "csp.outbox.s": '[{"x":1}]' })).read()).toEqual([]);
});
