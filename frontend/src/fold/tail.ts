/** Which of a conversation's last rows a person sees first, before any height is known. Pure. */
import { textOf } from "./messages";
import type { Item } from "./view";

/** The least that a row takes, in pixels; a guess below the truth costs a row, one above a gap. */
const ROW = 36;
const LINE = 22;
/** More letters than this are on no line. */
const LINE_LETTERS = 100;
const MOST = 14;

/** How many of the last rows fill this height for certain, MOST at most. */
export function rowsToFill(items: readonly (Item | undefined)[], height: number): number {
  let filled = 0;
  let count = 0;
  while (count < items.length && count < MOST && filled < height) {
    filled += leastHeight(items.at(-1 - count));
    count += 1;
  }
  return count;
}

function leastHeight(item: Item | undefined): number {
  switch (item?.kind) {
    case "answer":
      return ROW + linesOf(item.text) * LINE;
    case "user":
      return ROW + Math.min(linesOf(textOf(item.content)), 8) * LINE;
    default:
      return ROW;
  }
}

function linesOf(text: string): number {
  // Blank lines are the space between paragraphs, which is less than a line.
  return text.split("\n").reduce((lines, line) => lines + Math.ceil(line.length / LINE_LETTERS), 0);
}
