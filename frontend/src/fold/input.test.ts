import { expect, test } from "vitest";
import { t } from "../strings";
import { fieldsOf, planOf } from "./input";

const labels = (tool: string, input: Parameters<typeof fieldsOf>[1]) =>
  fieldsOf(tool, input).map(({ label }) => label);

test("reading a part of a file says which part", () => {
  const input = { file_path: "/a/b.txt", offset: 10, limit: 5 };
  const { file_path, offset, limit } = t.tool.fields;
  expect(labels("Read", input)).toEqual([file_path, offset, limit]);
});

test("what a card draws itself is not repeated, anything else of its input is shown", () => {
  expect(labels("Bash", { command: "ls", description: "List" })).toEqual([]);
  expect(labels("Bash", { command: "ls", run_in_background: true })).toEqual([
    t.tool.fields.run_in_background,
  ]);
  expect(
    labels("Edit", { file_path: "a", old_string: "", new_string: "b", replace_all: true }),
  ).toEqual([t.tool.fields.replace_all]);
});

test("fields of connected tools have their own names, as words", () => {
  const input = { offset: 1, issue_title: "x", dueDate: null, __: {} };
  expect(labels("mcp__tracker__add", input)).toEqual(["offset", "issue title", "due date", "__"]);
});

test("a plan is its text; a call without one shows its fields", () => {
  expect(planOf("ExitPlanMode", { plan: "# Plan" })).toBe("# Plan");
  expect(planOf("ExitPlanMode", { plan: " " })).toBeNull();
  expect(planOf("ExitPlanMode", {})).toBeNull();
  expect(planOf("Other", { plan: "# Plan" })).toBeNull();
});
