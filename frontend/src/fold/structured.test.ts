import { expect, test } from "vitest";
import { csvOf, tableOf } from "./structured";

test("a list of objects, alone or within a result, is a table", () => {
  expect(tableOf([{ a: 1 }, { b: 2 }])).toMatchObject({ columns: ["a", "b"], path: "" });
  expect(tableOf({ total: 2, files: [{ name: "x" }] })).toMatchObject({ path: "files" });
  expect(tableOf({ total: 2, names: ["x"] })).toBeNull();
  expect(tableOf("text")).toBeNull();
});

test("exported rows keep commas and quotes and cannot become formulas", () => {
  const table = tableOf([{ name: 'a "b", c', sum: -3, note: "=1+1", more: [1] }]);
  expect(table && csvOf(table)).toBe('name,sum,note,more\r\n"a ""b"", c",-3,\'=1+1,[1]\r\n');
});
