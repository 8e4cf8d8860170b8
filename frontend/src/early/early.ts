/**
 * What `boot.ts` has asked for, until the page's code takes it. Each answer is taken once: whoever
 * asks a second time wants to know what is there now.
 */

export interface Early {
  /** Begins the names of all requests of this tab. */
  readonly tab: string;
  /** How many requests have been named. */
  readonly count: number;
  readonly answers: Map<string, Promise<Response>>;
}

declare global {
  interface Window {
    /** Absent where the page's code runs without its index.html. */
    readonly cspEarly?: Early;
  }
}

const early: Early | undefined = globalThis.window?.cspEarly;

export const named = { tab: early?.tab ?? null, count: early?.count ?? 0 };

/** The answer to a GET that is already on its way; null when it was not asked for, or failed. */
export async function takeEarly({ method, url }: Request): Promise<Response | null> {
  if (method !== "GET" || !early) return null;
  const answer = early.answers.get(url);
  early.answers.delete(url);
  return (await answer?.catch(() => null)) ?? null;
}

/** What was asked for before somebody signed in says nothing about who is there then. */
export function forgetEarly(): void {
  early?.answers.clear();
}
