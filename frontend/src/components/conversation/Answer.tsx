import { memo } from "react";
import type { AnswerItem } from "../../fold/view";
import { t } from "../../strings";
import { Markdown } from "../markdown/Markdown";
import styles from "./rows.module.css";

export const Answer = memo(function Answer({ item }: { item: AnswerItem }) {
  return (
    <div className={styles.answer}>
      <Markdown text={item.text} streaming={item.streaming} />
      {item.partial ? <p className={styles.partial}>{t.row.partial}</p> : null}
    </div>
  );
});
