import { expect, test } from "vitest";
import { t } from "../strings";
import { closingOf } from "./closing";

const RETRIED = [1001, 1006, 1009, 1011, 1012, 1013, 4408];
const FINAL = [4400, 4401, 4404, 4409, 4410];

test("only what a new attempt can change is tried again", () => {
  expect(RETRIED.filter((code) => !closingOf(code).retry)).toEqual([]);
  expect(FINAL.filter((code) => closingOf(code).retry)).toEqual([]);
});

test("each end of the gateway has words of its own; a line that broke keeps those it had", () => {
  const words = [...RETRIED, ...FINAL].flatMap((code) => {
    const closing = closingOf(code);
    return "trouble" in closing && closing.trouble ? [t.connection[closing.trouble]] : [];
  });
  expect(words.filter((text) => text === t.connection.lost)).toEqual([]);
  expect(new Set(words).size).toBe(words.length - 1);
  expect(closingOf(1006)).toEqual({ retry: true, trouble: null });
});
