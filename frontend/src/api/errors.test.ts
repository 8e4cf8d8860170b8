import { expect, test } from "vitest";
import { errorFrom, NetworkError, wordsFor } from "./errors";
import { nextRequestId } from "./requestId";

const body = (message: string) => ({
  type: "error",
  error: { type: "api_error", message },
  request_id: "page_ab.7",
});

test("a failure of the gateway names the request that its log knows", () => {
  expect(wordsFor(errorFrom(500, body("Something went wrong.")))).toBe(
    "Something went wrong. (Request page_ab.7)",
  );
});

test("a refusal is the gateway's sentence and nothing else", () => {
  expect(wordsFor(errorFrom(409, body("Already answered.")))).toBe("Already answered.");
});

test("what is no answer of the gateway has words too", () => {
  expect(wordsFor(errorFrom(502, "<html>"))).toContain("502");
  expect(wordsFor(new NetworkError())).toContain("cannot be reached");
  expect(wordsFor(new Error("x"))).toContain("Reload");
});

test("requests of a tab are numbered", () => {
  const [first, second] = [nextRequestId(), nextRequestId()];
  expect(first).toMatch(/^page_[0-9a-f]{10}\.\d+$/);
  expect(second.split(".")[0]).toBe(first.split(".")[0]);
  expect(second).not.toBe(first);
});
