/** Names each request of this tab, so that what a person reports is found in the gateway's log. */
import { named } from "../early/early";
import { randomHex } from "../lib/ids";

const tab = named.tab ?? randomHex(5);
let { count } = named;

/** `page_<tab>.<number>`: all that begins alike comes from one tab since it was loaded. */
export function nextRequestId(): string {
  count += 1;
  return `page_${tab}.${count}`;
}
