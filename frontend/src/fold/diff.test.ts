import { expect, test } from "vitest";
import { between, diffOf } from "./diff";

test("an edit shows what goes and what comes, in its surroundings", () => {
  const diff = between("a\nb\nc", "a\nB\nc");
  expect(diff.lines.map((line) => [line.kind, line.text])).toEqual([
    ["same", "a"],
    ["removed", "b"],
    ["added", "B"],
    ["same", "c"],
  ]);
  expect(diff).toMatchObject({ added: 1, removed: 1 });
});

test("a new file is all additions", () => {
  expect(diffOf("Write", { content: "x\ny\n" }, null)).toMatchObject({ added: 2, removed: 0 });
});

test("the tool's own patch wins, with its line numbers", () => {
  const patch = [{ oldStart: 10, oldLines: 1, newStart: 10, newLines: 1, lines: ["-old", "+new"] }];
  const diff = diffOf("Edit", { old_string: "?", new_string: "!" }, { patch });
  expect(diff.lines).toEqual([
    { kind: "removed", text: "old", before: 10, after: null },
    { kind: "added", text: "new", before: null, after: 10 },
  ]);
});

test("texts that have nothing in common are shown one after the other", () => {
  const lines = (prefix: string) =>
    Array.from({ length: 4000 }, (_, i) => `${prefix}${i}`).join("\n");
  const diff = between(lines("a"), lines("b"));
  expect(diff).toMatchObject({ added: 4000, removed: 4000 });
});
