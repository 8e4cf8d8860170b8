/** What the agent thought: one line, opened on demand; while it thinks, its last words. */
import { Brain, ChevronRight } from "lucide-react";
import { memo, useState } from "react";
import type { ThinkingItem } from "../../fold/view";
import { duration } from "../../lib/format";
import { t } from "../../strings";
import styles from "./rows.module.css";

export const Thinking = memo(function Thinking({ item }: { item: ThinkingItem }) {
  const [open, setOpen] = useState(false);
  const label = item.streaming
    ? t.row.thinking
    : item.durationMs === null
      ? t.row.thoughts
      : t.row.thought(duration(item.durationMs));
  const bodyId = `thoughts-${item.id}`;
  return (
    <div className={styles.thinking} data-streaming={item.streaming}>
      <button
        type="button"
        className={styles.thinkingHead}
        aria-expanded={open}
        aria-controls={bodyId}
        onClick={() => setOpen(!open)}
      >
        <span className={styles.thinkingGlyph}>
          <Brain size={16} aria-hidden="true" />
        </span>
        <span>{label}</span>
        <ChevronRight size={16} data-chevron aria-hidden="true" />
      </button>
      {open ? (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        <div id={bodyId} className={styles.thoughts} tabIndex={0}>
          {item.text}
        </div>
      ) : null}
    </div>
  );
});
