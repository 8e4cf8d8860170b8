/** The end of an answer: how long it took, its structured result, what to do if it was cut. */
import { CircleAlert, GitBranch, OctagonPause, RotateCcw } from "lucide-react";
import { memo } from "react";
import type { TurnItem } from "../../fold/view";
import { duration } from "../../lib/format";
import { branchOff } from "../../store/branching";
import { useController, useSession } from "../../store/session";
import { t } from "../../strings";
import { StructuredResult } from "../result/StructuredResult";
import { Button, CopyButton, IconButton } from "../ui/controls";
import styles from "./rows.module.css";

export const TurnEnd = memo(function TurnEnd({ item }: { item: TurnItem }) {
  return (
    <>
      {item.result === undefined ? null : <StructuredResult value={item.result} />}
      {item.outcome === "completed" ? <Completed item={item} /> : <Cut item={item} />}
    </>
  );
});

function Completed({ item }: { item: TurnItem }) {
  const controller = useController();
  const { view } = controller;
  const answer = () =>
    item.answers
      .map((id) => view.items.get(id))
      .map((found) => (found?.kind === "answer" ? found.text : ""))
      .join("\n\n");
  const readOnly = useSession((state) => state.readOnly);
  const [first] = item.messageIds;
  const asked = useSession((state) => (first ? state.view.items.get(first) : undefined));
  return (
    <div className={styles.turn}>
      <span className={styles.turnText}>
        {[
          item.durationMs === null ? null : t.turn.took(duration(item.durationMs)),
          item.tools > 0 ? t.turn.tools(item.tools) : null,
        ]
          .filter(Boolean)
          .join(" · ")}
      </span>
      {item.answers.length > 0 ? <CopyButton text={answer} label={t.turn.copyAnswer} /> : null}
      {asked?.kind === "user" && !readOnly ? (
        <IconButton
          icon={GitBranch}
          size={16}
          label={t.branch.again}
          onClick={() => void branchOff(controller.id, asked.id, asked.content)}
        />
      ) : null}
    </div>
  );
}

function Cut({ item }: { item: TurnItem }) {
  const controller = useController();
  const retryable = useSession(
    (state) => !state.readOnly && item.messageIds.some((id) => state.view.items.has(id)),
  );
  const interrupted = item.outcome === "interrupted";
  const known = item.reason === null ? undefined : t.turn.reasons[item.reason];
  const plain = interrupted ? t.turn.interruptedPlain : t.turn.failedPlain;
  const Icon = interrupted ? OctagonPause : CircleAlert;
  const retry = retryable ? (
    <div className={styles.noteActions}>
      <Button onClick={() => controller.retryTurn(item.messageIds)}>
        <RotateCcw size={16} aria-hidden="true" />
        {t.turn.retry}
      </Button>
    </div>
  ) : null;
  if (item.explained) return <div data-turn={item.outcome}>{retry}</div>;
  return (
    <div
      className={styles.note}
      data-tone={interrupted ? "warning" : "error"}
      data-turn={item.outcome}
    >
      <Icon size={18} aria-hidden="true" />
      <p>
        <span className={styles.noteTitle}>
          {interrupted ? t.turn.interrupted : t.turn.failed}.
        </span>{" "}
        <span className={styles.noteText}>{item.message ?? known ?? plain}</span>
      </p>
      {retry}
    </div>
  );
}
