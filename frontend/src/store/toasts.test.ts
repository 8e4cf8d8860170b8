import { expect, test } from "vitest";
import { type Toast, withToast } from "./toasts";

const toast = (id: number, kind: Toast["kind"], text = `${kind} ${id}`): Toast => ({
  id,
  kind,
  text,
});
const shown = (...all: Toast[]) => all.reduce(withToast, [] as readonly Toast[]);
const ids = (list: readonly Toast[]) => list.map(({ id }) => id);

test("notes make room for what is newer, errors do not", () => {
  const error = toast(1, "error");
  expect(ids(shown(...[1, 2, 3, 4].map((id) => toast(id, "note"))))).toEqual([2, 3, 4]);
  expect(ids(shown(error, ...[2, 3, 4].map((id) => toast(id, "note"))))).toEqual([1, 3, 4]);
});

test("errors are bounded, and a note beside them is seen", () => {
  const errors = [1, 2, 3, 4, 5, 6].map((id) => toast(id, "error"));
  expect(ids(shown(...errors))).toEqual([2, 3, 4, 5, 6]);
  expect(ids(shown(...errors, toast(7, "note")))).toEqual([2, 3, 4, 5, 6, 7]);
});

test("the same words are not said twice", () => {
  expect(ids(shown(toast(1, "error", "away"), toast(2, "error", "away")))).toEqual([2]);
});
