/**
 * Runs inside index.html, before the page's own code is there: sets the chosen theme, so that it
 * never flashes, and asks for what the address needs, so that the answers are on their way while the
 * code is loaded. It is inlined by the build and allowed by its hash; keep it small.
 */
import { randomHex } from "../lib/ids";
import { HEADER, UI_KEY } from "../lib/names";
import { routeOf } from "../lib/routes";
import type { Early } from "./early";
import { requestsOf } from "./requests";

function chooseTheme(): void {
  try {
    const { theme } = JSON.parse(localStorage.getItem(UI_KEY) ?? "{}") as { theme?: unknown };
    if (theme === "light" || theme === "dark") document.documentElement.dataset["theme"] = theme;
  } catch {
    // A blocked or broken storage leaves the system's theme.
  }
}

function ask(): Early {
  const tab = randomHex(5);
  const answers = new Map<string, Promise<Response>>();
  let count = 0;
  for (const path of requestsOf(routeOf(location.pathname))) {
    count += 1;
    const answer = fetch(path, { headers: { [HEADER]: `page_${tab}.${count}` } });
    // Whoever takes it handles its failure; when nobody does, there is nothing to say.
    answer.catch(() => undefined);
    answers.set(new URL(path, location.href).href, answer);
  }
  return { tab, count, answers };
}

chooseTheme();
Object.assign(window, { cspEarly: ask() });
