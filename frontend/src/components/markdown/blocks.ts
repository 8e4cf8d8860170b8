/**
 * Cuts Markdown that is still being written into blocks that can be parsed on their own. A block
 * that is finished never changes again, so its parse and its elements are kept, and a streaming
 * answer costs its last block only, whatever its length.
 *
 * The cut is at blank lines outside of fences, except where the next line goes on with a list or
 * an indented paragraph. It need not find every block: too few cuts cost time, never correctness.
 */

export interface Block {
  /** Offset in the text; stable, so it serves as a key. */
  readonly start: number;
  readonly text: string;
}

export interface Blocks {
  readonly done: readonly Block[];
  /** What is still growing; empty at the end of a finished text. */
  readonly tail: Block;
}

export const oneBlock = (text: string): Blocks => ({ done: [], tail: { start: 0, text } });
export const NO_BLOCKS: Blocks = oneBlock("");

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const LIST_ITEM = /^\s*(?:[-*+]|\d{1,9}[.)])\s/;
const INDENTED = /^(?: {2,}|\t)\S/;
/** The beginning of a line that may still turn out to be a list item. */
const UNDECIDED = /^\s*(?:[-*+]|\d{1,9}[.)]?)$/;

/** The blocks of `text`, given those of an earlier beginning of it. */
export function splitBlocks(text: string, before: Blocks = NO_BLOCKS): Blocks {
  const known = isBeginning(text, before) ? before : NO_BLOCKS;
  const done: Block[] = [];
  const offset = known.tail.start;
  let start = offset;
  let at = offset;
  let fence: string | null = null;
  let inList = false;
  let blankAt = -1;
  while (at < text.length) {
    const newline = text.indexOf("\n", at);
    if (newline < 0) break;
    const line = text.slice(at, newline);
    if (fence === null && blankAt >= 0 && line.trim() !== "") {
      if (!(inList && (LIST_ITEM.test(line) || INDENTED.test(line)))) {
        done.push({ start, text: text.slice(start, at) });
        start = at;
        inList = false;
      }
      blankAt = -1;
    }
    if (fence !== null) {
      if (closes(line, fence)) fence = null;
    } else if (line.trim() === "") {
      if (at > start) blankAt = at;
    } else {
      fence = FENCE.exec(line)?.[1] ?? null;
      if (LIST_ITEM.test(line)) inList = true;
    }
    at = newline + 1;
  }
  const rest = text.slice(at);
  if (fence === null && blankAt >= 0 && rest.trim() !== "") {
    const goesOn = LIST_ITEM.test(rest) || INDENTED.test(rest) || UNDECIDED.test(rest);
    if (!(inList && goesOn)) {
      done.push({ start, text: text.slice(start, at) });
      start = at;
    }
  }
  const tail = { start, text: text.slice(start) };
  return { done: done.length === 0 ? known.done : [...known.done, ...done], tail };
}

function closes(line: string, fence: string): boolean {
  const mark = FENCE.exec(line)?.[1];
  return (
    mark !== undefined &&
    mark[0] === fence[0] &&
    mark.length >= fence.length &&
    line.trim() === mark
  );
}

function isBeginning(text: string, before: Blocks): boolean {
  const { start, text: tail } = before.tail;
  if (text.length < start + tail.length || !text.startsWith(tail, start)) return false;
  const last = before.done.at(-1);
  return last === undefined || text.startsWith(last.text, last.start);
}

export interface OpenFence {
  readonly language: string | null;
  readonly code: string;
}

const OPENING = /^(`{3,}|~{3,})([\w+#-]*)[^\n`]*\n/;

/** A block that is nothing but code whose end has not come: no parser is needed to show it. */
export function openFence(block: string): OpenFence | null {
  const opening = OPENING.exec(block);
  const mark = opening?.[1];
  if (!opening || !mark) return null;
  const code = block.slice(opening[0].length);
  if (`\n${code}`.includes(`\n${mark}`)) return null;
  return { language: opening[2] || null, code };
}
