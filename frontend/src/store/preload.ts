/**
 * The session that the address names is loaded while the page still learns who is signed in, so that
 * all of it is drawn at once.
 */
import { api, isStatus } from "../api/client";
import type { LogEvent } from "../api/events";
import type { Page, Session } from "../api/types";
import { PAGE } from "../early/requests";
import type { Route } from "../lib/routes";

export type Loaded = readonly [Session, Page<LogEvent>];

let early: { readonly id: string; readonly loaded: Promise<Loaded> } | null = null;

/** Resolves when it is there, or cannot be had: who shows the session takes it, and its failure. */
export async function preload(route: Route): Promise<void> {
  if (route.page !== "session") return;
  const loaded = load(route.id);
  early = { id: route.id, loaded };
  await loaded.catch(() => undefined);
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
