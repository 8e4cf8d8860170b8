/**
 * The lines of a change, for Edit and Write: from the patch that the tool reported, else computed
 * from what it was asked to do.
 */
import { structuredPatch } from "diff";
import type { Json, JsonObject } from "../api/events";
import { stringOf } from "./summary";

export interface DiffLine {
  readonly kind: "added" | "removed" | "same" | "gap";
  readonly text: string;
  readonly before: number | null;
  readonly after: number | null;
}

export interface Diff {
  readonly lines: readonly DiffLine[];
  readonly added: number;
  readonly removed: number;
}

interface Hunk {
  readonly oldStart: number;
  readonly newStart: number;
  readonly lines: readonly string[];
}

/** Beyond this many edits two texts are not compared but shown one after the other. */
const MAX_EDITS = 400;
const CONTEXT = 3;

export function diffOf(name: string, input: JsonObject, details: JsonObject | null): Diff {
  const reported = hunksOf(details?.["patch"] ?? details?.["structuredPatch"]);
  if (reported.length > 0) return fromHunks(reported, true);
  if (name === "Write") return between("", stringOf(input, "content"));
  return between(stringOf(input, "old_string"), stringOf(input, "new_string"));
}

export function between(before: string, after: string): Diff {
  const options = { context: CONTEXT, maxEditLength: MAX_EDITS };
  const patch = structuredPatch("", "", withEnd(before), withEnd(after), "", "", options);
  if (patch) return fromHunks(patch.hunks, false);
  const hunk = (sign: string, text: string) => text.split("\n").map((line) => sign + line);
  const lines = [...hunk("-", before), ...hunk("+", after)];
  return fromHunks([{ oldStart: 1, newStart: 1, lines }], false);
}

function withEnd(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}

function hunksOf(patch: Json | undefined): Hunk[] {
  if (!Array.isArray(patch)) return [];
  return (patch as readonly unknown[]).filter(isHunk);
}

function isHunk(value: unknown): value is Hunk {
  if (typeof value !== "object" || value === null) return false;
  return "lines" in value && Array.isArray(value.lines) && "oldStart" in value;
}

function fromHunks(hunks: readonly Hunk[], numbered: boolean): Diff {
  const lines: DiffLine[] = [];
  let added = 0;
  let removed = 0;
  for (const hunk of hunks) {
    if (lines.length > 0) lines.push({ kind: "gap", text: "", before: null, after: null });
    let before = hunk.oldStart;
    let after = hunk.newStart;
    for (const line of hunk.lines) {
      const sign = line[0];
      if (sign === "\\") continue;
      const kind = sign === "+" ? "added" : sign === "-" ? "removed" : "same";
      const number = (value: number, other: DiffLine["kind"]) =>
        numbered && kind !== other ? value : null;
      const text = line.slice(1);
      lines.push({ kind, text, before: number(before, "added"), after: number(after, "removed") });
      if (kind !== "added") before += 1;
      if (kind !== "removed") after += 1;
      if (kind === "added") added += 1;
      if (kind === "removed") removed += 1;
    }
  }
  return { lines, added, removed };
}
