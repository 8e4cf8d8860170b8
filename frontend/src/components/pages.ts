/** The pages that are chunks of their own: the start page and the sign-in need nothing of them. */
import type { Route } from "../lib/router";
import { chunk } from "./ui/chunk";

const replay = () => import("./replay/ReplayPage");

export const SessionPage = chunk(() =>
  import("./session/SessionPage").then((module) => module.SessionPage),
);
export const ReplayPage = chunk(() => replay().then((module) => module.ReplayPage));
export const SharedPage = chunk(() => replay().then((module) => module.SharedPage));
export const ComparePage = chunk(() =>
  import("./replay/ComparePage").then((module) => module.ComparePage),
);

/** Loads what this address shows; from the start page a session is the next step. */
export function loadPage(route: Route): void {
  switch (route.page) {
    case "home":
    case "session":
      SessionPage.load();
      return;
    case "replay":
      ReplayPage.load();
      return;
    case "compare":
      ComparePage.load();
      return;
    case "shared":
      SharedPage.load();
      return;
  }
}
