import { expect, test } from "vitest";
import { comparePath, replayPath, routeOf, sessionPath } from "./routes";

test("an address is read as it was made", () => {
  for (const id of ["sesn_1", "a/b", "ü %"]) {
    expect(routeOf(sessionPath(id))).toEqual({ page: "session", id });
    expect(routeOf(replayPath(id))).toEqual({ page: "replay", id });
    expect(routeOf(comparePath(id, "x/y"))).toEqual({ page: "compare", id, other: "x/y" });
  }
});

test("what no address looks like is the start page, and what is no encoding names itself", () => {
  expect(routeOf("/")).toEqual({ page: "home" });
  expect(routeOf("/sessions/")).toEqual({ page: "home" });
  expect(routeOf("/shared")).toEqual({ page: "shared" });
  expect(routeOf("/sessions/%E0%A4")).toEqual({ page: "session", id: "%E0%A4" });
});
