/** What changed in a session that people who listen to the page should hear. */
import type { View } from "../fold/view";
import { t } from "../strings";
import { ui } from "./ui";

export function announce(before: View, after: View, live: boolean): void {
  if (!live) return;
  const asking = after.pending.find((id) => !before.pending.includes(id));
  if (asking !== undefined) {
    const item = after.items.get(asking);
    const name = item?.kind === "tool" ? item.name : "";
    if (name === "AskUserQuestion") ui.say(t.live.question, true);
    else ui.say(t.live.approval(name), true);
    return;
  }
  if (after.queue.length > before.queue.length) ui.say(t.live.queued);
  if (before.turn === null && after.turn !== null) ui.say(t.live.working);
  if (before.turn !== null && after.turn === null) {
    const last = after.items.get(after.rows.at(-1) ?? "");
    const outcome = last?.kind === "turn" ? last.outcome : "completed";
    if (outcome === "completed") ui.say(t.live.finished);
    else if (outcome === "interrupted") ui.say(t.live.interrupted, true);
    else ui.say(t.live.failed, true);
  }
}
