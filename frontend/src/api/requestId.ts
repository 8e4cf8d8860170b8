/** Names each request of this tab, so that what a person reports is found in the gateway's log. */
import { randomHex } from "../lib/ids";

const tab = randomHex(5);
let count = 0;

export const HEADER = "x-request-id";

/** `page_<tab>.<number>`: all that begins alike comes from one tab since it was loaded. */
export function nextRequestId(): string {
  count += 1;
  return `page_${tab}.${count}`;
}
