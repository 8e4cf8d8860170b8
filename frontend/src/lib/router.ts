/** A handful of addresses needs no library: the start page, a session, and ways to look at one. */
import { useSyncExternalStore } from "react";

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
  const id = decodeURIComponent(found);
  if (compared !== undefined) return { page: "compare", id, other: decodeURIComponent(compared) };
  return replay === undefined ? { page: "session", id } : { page: "replay", id };
}

export const sessionPath = (id: string) => `/sessions/${encodeURIComponent(id)}`;
export const replayPath = (id: string) => `${sessionPath(id)}/replay`;
export const comparePath = (id: string, other: string) =>
  `${sessionPath(id)}/compare/${encodeURIComponent(other)}`;

export function navigate(path: string): void {
  if (path !== location.pathname) history.pushState(null, "", path);
  window.dispatchEvent(new PopStateEvent("popstate"));
}

function subscribe(listener: () => void): () => void {
  window.addEventListener("popstate", listener);
  return () => window.removeEventListener("popstate", listener);
}

export function usePath(): string {
  return useSyncExternalStore(subscribe, () => location.pathname);
}
