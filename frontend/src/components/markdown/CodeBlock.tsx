/** A block of code with its language, a copy button, and colours that are loaded when needed. */
import { t } from "../../strings";
import { CopyButton } from "../ui/controls";
import { Highlighted } from "./Highlighted";
import styles from "./markdown.module.css";

export function CodeBlock({ code, language }: { code: string; language: string | null }) {
  return (
    <figure className={styles.code}>
      <figcaption>
        <span>{language || t.row.code}</span>
        <CopyButton text={() => code} label={t.row.copy} />
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre tabIndex={0}>
        <code>
          <Highlighted code={code} language={language} />
        </code>
      </pre>
    </figure>
  );
}
