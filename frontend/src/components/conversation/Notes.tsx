/** What happened around the talk: trouble with the model, notices, changed settings. */
import { CircleAlert, CircleCheck, Info, RefreshCw, TriangleAlert } from "lucide-react";
import { memo, useEffect, useState } from "react";
import type { ChangeItem, NoticeItem, ProblemItem } from "../../fold/view";
import { sessionPath } from "../../lib/routes";
import { useApp } from "../../store/app";
import { useSession } from "../../store/session";
import { t } from "../../strings";
import { follow } from "../sidebar/follow";
import styles from "./rows.module.css";

export const Problem = memo(function Problem({ item }: { item: ProblemItem }) {
  const title = t.problem.titles[item.errorType] ?? t.problem.other;
  if (item.resolved) {
    return (
      <div className={styles.working}>
        <span className={styles.thinkingGlyph}>
          <CircleCheck size={16} aria-hidden="true" />
        </span>
        {title}. {t.problem.recovered}.
      </div>
    );
  }
  const retrying = item.retry === "retrying";
  const passing = retrying || item.retry === "stopped";
  const Icon = retrying ? RefreshCw : CircleAlert;
  return (
    <div
      className={styles.note}
      data-tone={passing ? "warning" : "error"}
      data-problem={item.retry}
    >
      <Icon size={18} aria-hidden="true" />
      <p>
        <span className={styles.noteTitle}>{title}.</span>{" "}
        <span className={styles.noteText}>
          {item.retry === "stopped" ? null : item.message}{" "}
          {retrying ? <Retrying item={item} /> : null}
        </span>
      </p>
    </div>
  );
});

function Retrying({ item }: { item: ProblemItem }) {
  const skewMs = useSession((state) => state.skewMs);
  const due = (item.at ?? 0) - skewMs + (item.retryDelayMs ?? 0);
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.ceil((due - now) / 1000);
  return (
    <span className="tabular">
      {t.problem.retrying(item.attempt ?? 1, item.maxRetries)}
      {seconds > 0 ? ` ${t.problem.inSeconds(seconds)}` : ""}.
    </span>
  );
}

const NOTICE_ICONS = { info: Info, warning: TriangleAlert, error: CircleAlert } as const;

export const Notice = memo(function Notice({ item }: { item: NoticeItem }) {
  const readOnly = useSession((state) => state.readOnly);
  if (item.level === "info") {
    const parent = readOnly || item.parentSession === null ? null : sessionPath(item.parentSession);
    return (
      <div className={styles.mark}>
        <p>{item.message}</p>
        {parent === null ? null : (
          <a className={styles.markLink} href={parent} onClick={follow(parent)}>
            {t.branch.parent}
          </a>
        )}
      </div>
    );
  }
  const Icon = NOTICE_ICONS[item.level];
  return (
    <div className={styles.note} data-tone={item.level} data-notice={item.code}>
      <Icon size={18} aria-hidden="true" />
      <p className={styles.noteText}>{item.message}</p>
    </div>
  );
});

export const Change = memo(function Change({ item }: { item: ChangeItem }) {
  const models = useApp((state) => state.me?.models);
  const text = (() => {
    switch (item.what) {
      case "compacted":
        return t.row.compacted;
      case "model":
        return t.row.model(models?.find((model) => model.id === item.value)?.name ?? item.value);
      case "permission_mode":
        return t.row.mode(t.modes[item.value]?.name ?? item.value);
    }
  })();
  return <p className={styles.mark}>{text}</p>;
});
