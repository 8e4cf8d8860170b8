/** One card per tool call: a line that says what it does and how it went, and the details below. */
import { ChevronRight } from "lucide-react";
import { memo, useMemo, useState } from "react";
import { diffOf } from "../../fold/diff";
import { summarise } from "../../fold/summary";
import type { ToolItem } from "../../fold/view";
import { duration } from "../../lib/format";
import { useSession } from "../../store/session";
import { t } from "../../strings";
import { Elapsed } from "../ui/Elapsed";
import { Approval } from "./Approval";
import { iconOf } from "./icons";
import { QuestionCard } from "./QuestionCard";
import { ToolBody } from "./ToolBody";
import styles from "./tools.module.css";

const CHANGES = new Set(["Edit", "Write", "MultiEdit"]);
const HELPERS = new Set(["Agent", "Task"]);

export const ToolCard = memo(function ToolCard({ item }: { item: ToolItem }) {
  const opensItself = HELPERS.has(item.name) && item.state === "running";
  const [chosen, setChosen] = useState<boolean | null>(null);
  const open = chosen ?? opensItself;
  const readOnly = useSession((state) => state.readOnly);
  if (item.state === "waiting" && !readOnly) {
    return item.name === "AskUserQuestion" ? (
      <QuestionCard item={item} />
    ) : (
      <Approval item={item} />
    );
  }
  const bodyId = `details-${item.id}`;
  return (
    <section className={styles.card} data-tool={item.name} data-state={item.state}>
      <button
        type="button"
        className={styles.summary}
        aria-expanded={open}
        aria-controls={bodyId}
        onClick={() => setChosen(!open)}
      >
        <Glyph item={item} />
        <Line item={item} />
        <Meta item={item} />
        <ChevronRight size={16} className={styles.chevron} aria-hidden="true" />
      </button>
      {open ? (
        <div id={bodyId} className={styles.body}>
          <ToolBody item={item} />
        </div>
      ) : null}
    </section>
  );
});

export function Glyph({ item }: { item: ToolItem }) {
  const Icon = iconOf(item.name);
  return (
    <span className={styles.glyph} data-state={item.state}>
      <Icon size={14} aria-hidden="true" />
    </span>
  );
}

function Line({ item }: { item: ToolItem }) {
  const session = useSession((state) => state.id);
  const { verb, target, mono } = summarise(item, session);
  const diff = useMemo(
    () =>
      CHANGES.has(item.name) && item.state === "done"
        ? diffOf(item.name, item.input, item.result?.details ?? null)
        : null,
    [item],
  );
  return (
    <span className={styles.line}>
      <span className={styles.verb}>{verb}</span>
      <span className={styles.target} data-mono={mono}>
        {target}
      </span>
      {diff ? (
        <span className={styles.counts}>
          {diff.added > 0 ? (
            <span className={styles.plus}>
              <span aria-hidden="true">+{diff.added} </span>
              <span className="visually-hidden">{t.tool.added(diff.added)} </span>
            </span>
          ) : null}
          {diff.removed > 0 ? (
            <span className={styles.minus}>
              <span aria-hidden="true">−{diff.removed}</span>
              <span className="visually-hidden">{t.tool.removed(diff.removed)}</span>
            </span>
          ) : null}
        </span>
      ) : null}
    </span>
  );
}

function Meta({ item }: { item: ToolItem }) {
  const skewMs = useSession((state) => (item.state === "running" ? state.skewMs : 0));
  const state = item.state;
  return (
    <span className={styles.meta} data-state={state}>
      {state === "running" ? (
        <>
          <span className="visually-hidden">{t.tool.states.running}</span>
          {item.at === null ? null : <Elapsed since={item.at - skewMs} />}
        </>
      ) : state === "done" ? (
        <>
          <span className="visually-hidden">{t.tool.states.done}</span>
          {item.durationMs === null ? null : duration(item.durationMs)}
        </>
      ) : (
        t.tool.states[state]
      )}
    </span>
  );
}
