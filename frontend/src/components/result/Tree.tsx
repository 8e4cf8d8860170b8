/** Any JSON value as a tree that opens level by level, so that a large one costs little. */
import { useState } from "react";
import type { Json } from "../../api/events";
import { t } from "../../strings";
import styles from "./result.module.css";

const FEW = 100;

interface Props {
  readonly value: Json;
  readonly name?: string;
  readonly open?: boolean;
}

export function Tree({ value, name, open: initiallyOpen = false }: Props) {
  const [open, setOpen] = useState(initiallyOpen);
  const [count, setCount] = useState(FEW);
  const label = name === undefined ? null : <span className={styles.key}>{name}: </span>;
  if (value === null || typeof value !== "object") {
    return (
      <span>
        {label}
        <span className={styles.value} data-type={value === null ? "null" : typeof value}>
          {value === null ? "null" : String(value)}
        </span>
      </span>
    );
  }
  const list = Array.isArray(value);
  const entries = Object.entries(value as Readonly<Record<string, Json | undefined>>);
  const size = list ? t.result.items(entries.length) : t.result.fields(entries.length);
  return (
    <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {label}
        <span className={styles.count}>{size}</span>
      </summary>
      {open ? (
        <ul>
          {entries.slice(0, count).map(([key, entry]) => (
            <li key={key}>
              <Tree name={key} value={entry ?? null} open={entries.length < 12} />
            </li>
          ))}
          {entries.length > count ? (
            <li>
              <button type="button" className={styles.more} onClick={() => setCount(count + 200)}>
                {t.result.more(Math.min(200, entries.length - count))}
              </button>
            </li>
          ) : null}
        </ul>
      ) : null}
    </details>
  );
}
