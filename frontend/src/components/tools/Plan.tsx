/** A plan that the agent hands over, as the text that it is. */
import { Markdown } from "../markdown/Markdown";
import styles from "./details.module.css";

export function Plan({ text }: { text: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <div className={`${styles.block} ${styles.plan}`} tabIndex={0} data-plan-text>
      <Markdown text={text} />
    </div>
  );
}
