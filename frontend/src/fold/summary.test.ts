import { expect, test } from "vitest";
import { inWorkspace, shortPath } from "./summary";

const WORKSPACE = "/home/ada/.local/share/csp/workspaces/sesn_01M7Z35NWYBM09XJDV74J3E1Z3";

test("paths of the session's workspace are shown as a person knows them", () => {
  expect(inWorkspace(`Write: ${WORKSPACE}/src/hello.py`)).toBe("Write: src/hello.py");
  expect(inWorkspace("/etc/hosts")).toBe("/etc/hosts");
  expect(shortPath(`${WORKSPACE}/hello.py`)).toBe("hello.py");
  expect(shortPath(`${WORKSPACE}/a/b/c.py`)).toBe("b/c.py");
});
