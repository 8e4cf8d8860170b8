/** The pages that are chunks of their own: few visits need them. */
import type { Route } from "../lib/routes";
import { chunk } from "./ui/chunk";

const replay = () => import("./replay/ReplayPage");

export const ReplayPage = chunk(() => replay().then((module) => module.ReplayPage));
export const SharedPage = chunk(() => replay().then((module) => module.SharedPage));
export const ComparePage = chunk(() =>
  import("./replay/ComparePage").then((module) => module.ComparePage),
);

/** Resolves when the code for this address is there, or cannot be had: who shows it says so. */
export async function loadPage(route: Route): Promise<void> {
  switch (route.page) {
    case "replay":
      return await ReplayPage.load();
    case "compare":
      return await ComparePage.load();
    case "shared":
      return await SharedPage.load();
    default:
      return;
  }
}
