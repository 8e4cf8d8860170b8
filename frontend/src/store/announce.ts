/** What changed in a session that people who listen to the page should hear. */
import { toolName } from "../fold/summary";
import type { View } from "../fold/view";
import { t } from "../strings";
import { ui } from "./ui";

export function announce(session: string, before: View, after: View, live: boolean): void {
  if (!live) return;
  const asking = after.pending.find((id) => !before.pending.includes(id));
  if (asking !== undefined) {
    const item = after.items.get(asking);
    if (item?.kind !== "tool") return;
    if (item.name === "AskUserQuestion") ui.say(t.live.question, true);
    else if (item.name === "ExitPlanMode") ui.say(t.live.plan, true);
    else ui.say(t.live.approval(toolName(item, session)), true);
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
