import { beforeEach, expect, test, vi } from "vitest";
import { api } from "../api/client";
import type { Session } from "../api/types";
import { type Entry, renewed, sessions, useSessions } from "./sessions";

vi.mock("../api/client", () => ({ api: { sessions: vi.fn() } }));

const entry = (id: string): Entry => ({
  id,
  title: id,
  state: "active",
  pending: [],
  last_event_at: "2026-01-01T00:00:00Z",
  archived_at: null,
});
const list = (ids: string, next: string | null) => ({ entries: [...ids].map(entry), next });
const shown = ({ entries, next }: ReturnType<typeof list>) => [
  entries.map(({ id }) => id).join(""),
  next,
];
const page = (ids: string, next: string | null) => ({
  data: [...ids].map((id) => entry(id) as Session),
  next_page: next,
});

const asked = vi.mocked(api.sessions);

beforeEach(() => {
  asked.mockReset();
});

test("a first page that is read again leaves the pages that were loaded beyond it", () => {
  expect(shown(renewed(list("abcdef", "6"), list("eab", "3")) as ReturnType<typeof list>)).toEqual([
    "eabcdf",
    "6",
  ]);
});

test("where nothing beyond it was loaded, or nothing is common, the first page is all", () => {
  expect(renewed(list("abc", "3"), list("cab", "3"))).toEqual(list("cab", "3"));
  expect(renewed(list("abcd", "4"), list("xyz", "3"))).toEqual(list("xyz", "3"));
  expect(renewed(list("abcd", null), list("abc", null))).toEqual(list("abc", null));
});

test("a page that cannot be had is said and can be asked for again", async () => {
  asked.mockResolvedValueOnce(page("ab", "2"));
  await sessions.refresh();
  asked.mockRejectedValueOnce(new Error("away"));
  await sessions.more();
  expect(useSessions.getState().more).toBe("failed");
  asked.mockResolvedValueOnce(page("bc", null));
  await sessions.more();
  const { entries, next, more } = useSessions.getState();
  expect([entries.map(({ id }) => id), next, more]).toEqual([["a", "b", "c"], null, "idle"]);
});

test("a session in which something begins moves to the top", async () => {
  asked.mockResolvedValueOnce(page("abc", null));
  await sessions.refresh();
  sessions.touch("c");
  expect(useSessions.getState().entries.map(({ id }) => id)).toEqual(["c", "a", "b"]);
});
