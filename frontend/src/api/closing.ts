/**
 * What the end of a socket means: whether a new attempt can change anything, and what a person is
 * told meanwhile. The codes are the gateway's; anything else is a line that broke.
 */

/** Why the page is not connected, as far as it can know. */
export type Trouble =
  | "offline"
  | "restarting"
  | "slow"
  | "unready"
  | "failed"
  | "too_large"
  | "refused"
  | "lost";

/** Ends that no new attempt can change. */
export type Ended = "signed_out" | "not_found" | "deleted" | "ahead";

export type Closing =
  | { readonly retry: true; readonly trouble: Trouble | null }
  /** The session is not there for this page: it leaves the conversation. */
  | { readonly retry: false; readonly ended: Ended }
  /** The conversation stays in sight; the gateway's own words say what has to change. */
  | { readonly retry: false; readonly trouble: "refused" };

const CLOSINGS: ReadonlyMap<number, Closing> = new Map<number, Closing>([
  [1001, { retry: true, trouble: "restarting" }],
  [1009, { retry: true, trouble: "too_large" }],
  [1011, { retry: true, trouble: "failed" }],
  [1012, { retry: true, trouble: "restarting" }],
  [1013, { retry: true, trouble: "unready" }],
  [4400, { retry: false, trouble: "refused" }],
  [4401, { retry: false, ended: "signed_out" }],
  [4404, { retry: false, ended: "not_found" }],
  [4408, { retry: true, trouble: "slow" }],
  [4409, { retry: false, ended: "ahead" }],
  [4410, { retry: false, ended: "deleted" }],
]);
const BROKEN: Closing = { retry: true, trouble: null };

export function closingOf(code: number): Closing {
  return CLOSINGS.get(code) ?? BROKEN;
}
