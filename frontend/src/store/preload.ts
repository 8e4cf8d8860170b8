/**
 * The session that the address names is asked for while the page still learns who is signed in, so
 * that a long session is on screen one round trip earlier.
 */
import { api, isStatus } from "../api/client";
import type { LogEvent } from "../api/events";
import type { Page, Session } from "../api/types";
import type { Route } from "../lib/router";

/** How many events of the end of a log are loaded at once. */
export const PAGE = 200;

export type Loaded = readonly [Session, Page<LogEvent>];

let early: { readonly id: string; readonly loaded: Promise<Loaded> } | null = null;

export function preload(route: Route): void {
  if (route.page !== "session") return;
  const loaded = load(route.id);
  // Whoever takes it handles its failure; when nobody does, there is nothing to say.
  loaded.catch(() => undefined);
  early = { id: route.id, loaded };
}

/** The session and the end of its log, once: a second call asks anew. */
export function loadSession(id: string): Promise<Loaded> {
  const found = early;
  early = null;
  if (found?.id !== id) return load(id);
  // Asked for before somebody signed in, it says nothing about the person who is there now.
  return found.loaded.catch((error: unknown) => {
    if (isStatus(error, 401)) return load(id);
    throw error;
  });
}

function load(id: string): Promise<Loaded> {
  return Promise.all([api.session(id), api.events(id, { before: null, limit: PAGE })]);
}
