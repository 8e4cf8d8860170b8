import { expect, test } from "vitest";
import { plainOutput } from "./ansi";

const ESC = String.fromCharCode(27);

test("colours and titles are taken out", () => {
  expect(plainOutput(`${ESC}[31mred${ESC}[0m ${ESC}]0;title${String.fromCharCode(7)}x`)).toBe(
    "red x",
  );
});

test("a line that was written over shows what stood there in the end", () => {
  expect(plainOutput("10 %\r50 %\r100 %\ndone\r\n")).toBe("100 %\ndone\n");
});
