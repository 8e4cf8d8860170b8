/**
 * Folding text that is still being written. A preview is addressed by (event id, offset in UTF-8
 * bytes); it ends when its fact arrives, or is withdrawn. What arrives twice is dropped, and a gap
 * is reported, so that the caller can ask for exactly what is missing.
 */
import type { Preview } from "../api/events";
import { Draft } from "./draft";
import { resolveProblem } from "./turns";
import type { View } from "./view";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface PreviewResult {
  readonly view: View;
  /** An event of which some text was never received. */
  readonly gap: string | null;
}

export function applyPreviews(
  view: View,
  previews: readonly Preview[],
  now: number,
): PreviewResult {
  const draft = new Draft(view);
  const grown = new Map<string, string>();
  let gap: string | null = null;
  for (const preview of previews) {
    if (preview.type === "event_start") {
      start(draft, preview, now);
      continue;
    }
    const id = preview.event_id;
    const have = draft.view.previewBytes.get(id);
    if (have === undefined) continue;
    if (preview.offset > have) {
      gap = id;
      continue;
    }
    const text = fresh(preview, have);
    if (!text) continue;
    draft.view.previewBytes.set(id, have + encoder.encode(text).length);
    grown.set(id, (grown.get(id) ?? "") + text);
  }
  for (const [id, text] of grown) grow(draft, id, text);
  return { view: draft.view, gap };
}

export function withdrawPreview(view: View, id: string): View {
  if (!view.previewBytes.has(id)) return view;
  const draft = new Draft(view);
  draft.remove(id);
  return draft.view;
}

function start(draft: Draft, preview: Extract<Preview, { type: "event_start" }>, now: number) {
  const { id, type } = preview.event;
  if (draft.view.items.has(id)) return;
  const parent = preview.parent_tool_use_id ?? null;
  const base = { id, seq: 0, at: now, parent, text: "", streaming: true } as const;
  if (type === "agent.message") draft.append({ ...base, kind: "answer", partial: false });
  else if (type === "agent.thinking") draft.append({ ...base, kind: "thinking", durationMs: null });
  else return;
  draft.view.previewBytes.set(id, 0);
}

/** The part of a delta that is not there yet. */
function fresh(preview: Extract<Preview, { type: "event_delta" }>, have: number): string {
  const { content } = preview.delta;
  const text = content.text ?? content.thinking ?? "";
  const skip = have - preview.offset;
  if (skip === 0) return text;
  return decoder.decode(encoder.encode(text).slice(skip));
}

function grow(draft: Draft, id: string, text: string): void {
  const item = draft.view.items.get(id);
  if (item?.kind !== "answer" && item?.kind !== "thinking") return;
  resolveProblem(draft);
  draft.put({ ...item, text: item.text + text });
}
