/** What a session is called: its title, else the beginning of what was asked first. */
import { textOf } from "./messages";
import type { View } from "./view";

const LENGTH = 60;

export function titleOf(view: View): string | null {
  if (view.title) return view.title;
  if (view.firstSeq !== 1) return null;
  const first = view.items.get(view.rows[0] ?? "");
  if (first?.kind !== "user") return null;
  const text = textOf(first.content).trim().split("\n", 1)[0] ?? "";
  if (text === "") return null;
  return text.length > LENGTH ? `${text.slice(0, LENGTH).trimEnd()}…` : text;
}
