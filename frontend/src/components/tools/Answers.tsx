/** Questions that were answered, and with what. */
import { questionsOf } from "../../fold/questions";
import type { ToolItem } from "../../fold/view";
import styles from "./question.module.css";

export function Answers({ item }: { item: ToolItem }) {
  const answers = item.answer?.answers;
  return (
    <dl className={styles.answers}>
      {questionsOf(item.input).map(({ question }) => {
        const answer = answers?.[question];
        return (
          <div key={question}>
            <dt>{question}</dt>
            <dd>{typeof answer === "string" ? answer : (answer?.join(", ") ?? "–")}</dd>
          </div>
        );
      })}
    </dl>
  );
}
