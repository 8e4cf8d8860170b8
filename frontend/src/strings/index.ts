/**
 * Every text of the page, in one place for translation. Plain words: what happened, and what to do.
 * People who talk to an agent need no names of libraries or protocols.
 */
import { appStrings } from "./app";
import { composerStrings } from "./composer";
import { historyStrings } from "./history";
import { sessionStrings } from "./session";
import { toolsStrings } from "./tools";

export const t = {
  ...appStrings,
  ...sessionStrings,
  ...historyStrings,
  ...toolsStrings,
  ...composerStrings,
} as const;
