/** One row of the conversation: the right component for its kind, in a frame that cannot break the rest. */
import { memo } from "react";
import type { Item } from "../../fold/view";
import { useItem, useSession } from "../../store/session";
import { t } from "../../strings";
import { ToolCard } from "../tools/ToolCard";
import { Elapsed } from "../ui/Elapsed";
import { ErrorBoundary } from "../ui/ErrorBoundary";
import { Answer } from "./Answer";
import styles from "./conversation.module.css";
import { Change, Notice, Problem } from "./Notes";
import rowStyles from "./rows.module.css";
import { Thinking } from "./Thinking";
import { TurnEnd } from "./TurnEnd";
import { UnsentMessage, UserMessage } from "./UserMessage";

export const WORKING = "working";

export const Row = memo(function Row({ id }: { id: string }) {
  const item = useItem(id);
  if (!item) return null;
  return (
    <article className={styles.row} data-kind={item.kind} data-id={id} aria-label={labelOf(item)}>
      <ErrorBoundary>
        <Content item={item} />
      </ErrorBoundary>
    </article>
  );
});

function Content({ item }: { item: Item }) {
  switch (item.kind) {
    case "user":
      return <UserMessage item={item} />;
    case "answer":
      return <Answer item={item} />;
    case "thinking":
      return <Thinking item={item} />;
    case "tool":
      return <ToolCard item={item} />;
    case "problem":
      return <Problem item={item} />;
    case "notice":
      return <Notice item={item} />;
    case "change":
      return <Change item={item} />;
    case "turn":
      return <TurnEnd item={item} />;
  }
}

function labelOf(item: Item): string {
  return item.kind === "user" ? t.row.you : t.row.agent;
}

export function UnsentRow({ clientId }: { clientId: string }) {
  const entry = useSession((state) => state.outbox.find((found) => found.clientId === clientId));
  if (!entry) return null;
  return (
    <article className={styles.row} data-kind="user" aria-label={t.row.you}>
      <UnsentMessage entry={entry} />
    </article>
  );
}

/** The last row while the agent works and nothing else moves. */
export function WorkingRow() {
  const turn = useSession((state) => state.view.turn);
  const stopping = useSession((state) => state.view.stopping);
  const waiting = useSession((state) => state.view.pending.length > 0);
  const skewMs = useSession((state) => state.skewMs);
  const text = stopping ? t.row.stopping : turn === null ? t.row.starting : t.row.working;
  if (waiting && !stopping) return <div className={styles.row} />;
  return (
    <article className={styles.row} data-kind="working" aria-label={t.row.agent}>
      <div className={rowStyles.working}>
        <span className={rowStyles.pulse} aria-hidden="true" />
        {text}
        {turn?.startedAt == null ? null : <Elapsed since={turn.startedAt - skewMs} />}
      </div>
    </article>
  );
}
