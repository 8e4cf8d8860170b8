/** Text that a tool got or gave: its first lines, and all of it when asked for. */
import { useState } from "react";
import { t } from "../../strings";
import { Highlighted } from "../markdown/Highlighted";
import { CopyButton } from "../ui/controls";
import styles from "./details.module.css";

const FEW_LINES = 16;
/** A few very long lines are long, too. */
const FEW_CHARS = 6000;
/** More than this is never put into the page at once; the copy button has all of it. */
const MAX_CHARS = 200_000;

interface Props {
  readonly title: string;
  readonly text: string;
  readonly copyLabel: string;
  readonly language?: string;
}

export function OutputBlock({ title, text, copyLabel, language }: Props) {
  const { shown, toggle } = useClipped(text);
  return (
    <div className={styles.block}>
      <div className={styles.blockHead}>
        <span>{title}</span>
        <CopyButton text={() => text} label={copyLabel} />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre className={styles.wrap} tabIndex={0}>
        {text.trim() === "" ? (
          <span className={styles.none}>{t.tool.noOutput}</span>
        ) : (
          <Highlighted code={shown} language={language ?? null} />
        )}
      </pre>
      {toggle}
    </div>
  );
}

export function useClipped(text: string) {
  const [all, setAll] = useState(false);
  const lines = text.split("\n");
  const tall = lines.length > FEW_LINES + 4;
  const wide = !tall && text.length > FEW_CHARS;
  const long = tall || wide;
  const few = tall ? lines.slice(0, FEW_LINES).join("\n") : text;
  const shown = long && !all ? few.slice(0, FEW_CHARS) : text.slice(0, MAX_CHARS);
  const toggle = long ? (
    <button type="button" className={styles.more} onClick={() => setAll(!all)}>
      {all ? t.row.showLess : wide ? t.row.showAllText : t.row.showAll(lines.length)}
    </button>
  ) : null;
  return { shown, toggle };
}
