/** A structured result: as a table where it has rows, as a tree always, and as a file to keep. */
import { Download } from "lucide-react";
import { useMemo, useState } from "react";
import type { Json } from "../../api/events";
import { cellText, csvOf, isObject, type TableShape, tableOf } from "../../fold/structured";
import { download } from "../../lib/download";
import { t } from "../../strings";
import { Button } from "../ui/controls";
import styles from "./result.module.css";
import { Tree } from "./Tree";

const FEW_ROWS = 50;

export function StructuredResult({ value }: { value: Json }) {
  const table = useMemo(() => tableOf(value), [value]);
  const [form, setForm] = useState<"table" | "tree">(table ? "table" : "tree");
  return (
    <section className={styles.result} aria-label={t.result.title} data-result>
      <div className={styles.head}>
        <h3 className={styles.title}>
          {t.result.title}{" "}
          {table ? <span className={styles.sub}>{t.result.rows(table.rows.length)}</span> : null}
        </h3>
        {table ? (
          <span className={styles.switch}>
            <Choice form="table" current={form} onChoose={setForm} label={t.result.table} />
            <Choice form="tree" current={form} onChoose={setForm} label={t.result.tree} />
          </span>
        ) : null}
        <Exports value={value} table={table} />
      </div>
      {form === "table" && table ? (
        <>
          <Table table={table} />
          <Rest value={value} path={table.path} />
        </>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        <div className={`${styles.scroll} ${styles.tree}`} tabIndex={0}>
          <Tree value={value} open />
        </div>
      )}
    </section>
  );
}

interface ChoiceProps {
  readonly form: "table" | "tree";
  readonly current: string;
  readonly label: string;
  readonly onChoose: (form: "table" | "tree") => void;
}

function Choice({ form, current, label, onChoose }: ChoiceProps) {
  return (
    <button type="button" aria-pressed={form === current} onClick={() => onChoose(form)}>
      {label}
    </button>
  );
}

function Exports({ value, table }: { value: Json; table: TableShape | null }) {
  const json = () =>
    download("result.json", "application/json", `${JSON.stringify(value, null, 2)}\n`);
  return (
    <>
      {table ? (
        <Button tone="quiet" onClick={() => download("result.csv", "text/csv", csvOf(table))}>
          <Download size={16} aria-hidden="true" />
          {t.result.exportCsv}
        </Button>
      ) : null}
      <Button tone="quiet" onClick={json}>
        <Download size={16} aria-hidden="true" />
        {t.result.exportJson}
      </Button>
    </>
  );
}

function Table({ table }: { table: TableShape }) {
  const [count, setCount] = useState(FEW_ROWS);
  const more = table.rows.length - count;
  const isNumber = (row: TableShape["rows"][number], column: string) =>
    typeof row[column] === "number";
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <div className={styles.scroll} tabIndex={0}>
      <table className={styles.table}>
        <thead>
          <tr>
            {table.columns.map((column) => (
              <th
                key={column}
                scope="col"
                data-number={table.rows.every((row) => isNumber(row, column))}
              >
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.rows.slice(0, count).map((row, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the rows of a result do not move
            <tr key={index}>
              {table.columns.map((column) => (
                <td key={column} data-number={isNumber(row, column)}>
                  {cellText(row[column])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {more > 0 ? (
        <button type="button" className={styles.more} onClick={() => setCount(count + 200)}>
          {t.result.more(Math.min(more, 200))}
        </button>
      ) : null}
    </div>
  );
}

/** What stands beside the rows: totals, a summary. */
function Rest({ value, path }: { value: Json; path: string }) {
  if (!isObject(value) || path === "") return null;
  const rest = Object.entries(value).filter(
    ([key, entry]) => key !== path && entry !== undefined && typeof entry !== "object",
  );
  if (rest.length === 0) return null;
  return (
    <dl className={styles.rest}>
      {rest.map(([key, entry]) => (
        <div key={key}>
          <dt>{key}: </dt>
          <dd>{cellText(entry)}</dd>
        </div>
      ))}
    </dl>
  );
}
