import { expect, test } from "vitest";
import { commandPieces, inWorkspace, shortCommand, shortPath, summarise } from "./summary";

const SESSION = "sesn_01M7Z35NWYBM09XJDV74J3E1Z3";
const ROOT = "/home/ada/.local/share/csp/workspaces";
const WORKSPACE = `${ROOT}/${SESSION}`;

test("paths of the session's workspace are shown as a person knows them", () => {
  expect(inWorkspace(`Write: ${WORKSPACE}/src/hello.py`, SESSION)).toBe("Write: src/hello.py");
  expect(inWorkspace(`ls ${WORKSPACE}`, SESSION)).toBe("ls .");
  expect(inWorkspace("/etc/hosts", SESSION)).toBe("/etc/hosts");
  expect(shortPath(`${WORKSPACE}/hello.py`, SESSION)).toBe("hello.py");
  expect(shortPath(`${WORKSPACE}/a/b/c.py`, SESSION)).toBe("b/c.py");
});

test("another session's workspace is shown as what it is", () => {
  const other = `${ROOT}/sesn_01M7Z35NWYBM09XJDV74J3E1Z4/hello.py`;
  expect(inWorkspace(other, SESSION)).toBe(other);
  expect(inWorkspace(`${WORKSPACE}0/hello.py`, SESSION)).toBe(`${WORKSPACE}0/hello.py`);
});

test("a command shows where it names the session's own folder", () => {
  const command = `cd /tmp && cat "${WORKSPACE}/a" ${WORKSPACE}`;
  const pieces = commandPieces(command, SESSION);
  expect(pieces.map((piece) => piece.text).join("")).toBe(command);
  expect(pieces.filter((piece) => piece.workspace).map((piece) => piece.text)).toEqual([
    `${WORKSPACE}/`,
    WORKSPACE,
  ]);
  expect(shortCommand(command, SESSION)).toBe('cd /tmp && cat "…/a" …');
  expect(commandPieces("ls", SESSION)).toEqual([{ text: "ls", workspace: false }]);
});

test("a change of the plan says which step is next, or how far it is", () => {
  const step = (status: string) => ({ content: `a step ${status}`, status });
  const target = (...states: string[]) => {
    const named = { name: "TodoWrite", server: null, title: null };
    return summarise({ ...named, input: { todos: states.map(step) } }, SESSION).target;
  };
  expect(target("completed", "in_progress", "pending")).toBe("a step in_progress");
  expect(target("completed", "completed")).toContain("2");
  expect(target()).toBe("");
});
