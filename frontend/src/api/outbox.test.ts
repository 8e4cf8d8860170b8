import { expect, test } from "vitest";
import { type KeyValue, type Memory, Outbox, type OutboxEntry } from "./outbox";

function storage(initial: Record<string, string> = {}): KeyValue {
  const values = new Map(Object.entries(initial));
  return {
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => void values.set(key, value),
    removeItem: (key) => void values.delete(key),
  };
}

function outboxOf(values: KeyValue, id = "s", memory: Memory = new Map()): Outbox {
  return new Outbox(id, values, memory);
}

const entry = (clientId: string): OutboxEntry => ({
  clientId,
  events: [{ type: "user.message", content: [{ type: "text", text: clientId }] }],
  at: 1,
  refused: null,
});

test("what was sent stays, in order, until it is acknowledged", () => {
  const shared = storage();
  const outbox = outboxOf(shared);
  outbox.add(entry("a"));
  outbox.add(entry("b"));
  expect(
    outboxOf(shared)
      .read()
      .map((item) => item.clientId),
  ).toEqual(["a", "b"]);
  outbox.remove("a");
  expect(
    outboxOf(shared)
      .read()
      .map((item) => item.clientId),
  ).toEqual(["b"]);
});

test("a refused entry stays with the reason", () => {
  const outbox = outboxOf(storage());
  outbox.add(entry("a"));
  expect(outbox.refuse("a", "queue full")[0]?.refused).toBe("queue full");
});

test("sessions do not see each other's entries", () => {
  const shared = storage();
  outboxOf(shared, "s1").add(entry("a"));
  expect(outboxOf(shared, "s2").read()).toEqual([]);
});

test("a damaged storage is an empty outbox", () => {
  expect(outboxOf(storage({ "csp.outbox.s": "{nope" })).read()).toEqual([]);
  expect(outboxOf(storage({ "csp.outbox.s": '[{"x":1}]' })).read()).toEqual([]);
});

const ids = (outbox: Outbox) => outbox.read().map((item) => item.clientId);

test("what a full storage does not take is kept by the page, for whoever opens the outbox next", () => {
  const memory: Memory = new Map();
  const shared = storage();
  let room = Number.POSITIVE_INFINITY;
  const small: KeyValue = {
    ...shared,
    setItem: (key, value) => {
      if (value.length > room) throw new DOMException("full", "QuotaExceededError");
      shared.setItem(key, value);
    },
  };
  outboxOf(small, "s", memory).add(entry("stored"));
  room = JSON.stringify([entry("stored")]).length;
  outboxOf(small, "s", memory).add(entry("held"));
  expect(ids(outboxOf(small, "s", memory))).toEqual(["stored", "held"]);
  expect(ids(outboxOf(small))).toEqual(["stored"]);
  expect(outboxOf(small, "s", memory).refuse("held", "no").at(-1)?.refused).toBe("no");
  outboxOf(small, "s", memory).remove("stored");
  expect(ids(outboxOf(small, "s", memory))).toEqual(["held"]);
  outboxOf(small, "s", memory).remove("held");
  expect(ids(outboxOf(small, "s", memory))).toEqual([]);
});

test("without any storage the page still keeps what was sent until it is acknowledged", () => {
  const blocked = (): never => {
    throw new DOMException("blocked", "SecurityError");
  };
  const outbox = outboxOf({ getItem: blocked, setItem: blocked, removeItem: blocked });
  outbox.add(entry("a"));
  outbox.add(entry("b"));
  outbox.remove("a");
  expect(ids(outbox)).toEqual(["b"]);
});
