/** The page's addresses, a handful: the start page, a session, and ways to look at one. Pure. */

export type Route =
  | { readonly page: "home" | "shared" }
  | { readonly page: "session"; readonly id: string }
  | { readonly page: "replay"; readonly id: string }
  | { readonly page: "compare"; readonly id: string; readonly other: string };

const SESSION = /^\/sessions\/([^/]+)(?:\/(replay)|\/compare\/([^/]+))?\/?$/;

export function routeOf(path: string): Route {
  if (path === "/shared") return { page: "shared" };
  const [, found, replay, compared] = SESSION.exec(path) ?? [];
  if (found === undefined) return { page: "home" };
  const id = decoded(found);
  if (compared !== undefined) return { page: "compare", id, other: decoded(compared) };
  return replay === undefined ? { page: "session", id } : { page: "replay", id };
}

/** What is no valid encoding names nothing that there is, and is left as it stands. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const sessionPath = (id: string) => `/sessions/${encodeURIComponent(id)}`;
export const replayPath = (id: string) => `${sessionPath(id)}/replay`;
export const comparePath = (id: string, other: string) =>
  `${sessionPath(id)}/compare/${encodeURIComponent(other)}`;
