/** Two addresses need no library: the start page and one session. */
import { useSyncExternalStore } from "react";

export type Route = { readonly page: "home" } | { readonly page: "session"; readonly id: string };

const SESSION = /^\/sessions\/([^/]+)\/?$/;

export function routeOf(path: string): Route {
  const id = SESSION.exec(path)?.[1];
  return id === undefined ? { page: "home" } : { page: "session", id: decodeURIComponent(id) };
}

export const sessionPath = (id: string) => `/sessions/${encodeURIComponent(id)}`;

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
