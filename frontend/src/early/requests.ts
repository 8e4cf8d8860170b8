/** What an address needs of the API before anything of it can be shown. Pure. */
import type { Route } from "../lib/routes";

/** How many events of the end of a log are loaded at once. */
export const PAGE = 200;

const API = "/api/v1";
const ME = `${API}/me`;
const LIST = `${API}/sessions?limit=40&include_archived=false`;
const AGENTS = `${API}/agents?limit=100`;
const session = (id: string) => `${API}/sessions/${encodeURIComponent(id)}`;

/** Written as the API client writes them; what is on screen first is asked for first. */
export function requestsOf(route: Route): readonly string[] {
  switch (route.page) {
    case "session": {
      const own = session(route.id);
      return [own, `${own}/events?limit=${PAGE}&order=desc`, ME, LIST];
    }
    case "home":
      return [ME, AGENTS, LIST];
    case "replay":
      return [ME, session(route.id), LIST];
    case "compare":
      return [ME, LIST];
    case "shared":
      return [];
  }
}
