/** The change that an edit makes, line by line. */
import { useMemo, useState } from "react";
import type { JsonObject } from "../../api/events";
import { type DiffLine, diffOf } from "../../fold/diff";
import { inWorkspace, stringOf } from "../../fold/summary";
import { useSession } from "../../store/session";
import { t } from "../../strings";
import { CopyButton } from "../ui/controls";
import styles from "./details.module.css";

const FEW_LINES = 40;
const SIGNS = { added: "+", removed: "−", same: " ", gap: "" } as const;

interface Props {
  readonly name: string;
  readonly input: JsonObject;
  readonly details: JsonObject | null;
}

export function DiffView({ name, input, details }: Props) {
  const session = useSession((state) => state.id);
  const [all, setAll] = useState(false);
  const diff = useMemo(() => diffOf(name, input, details), [name, input, details]);
  const long = diff.lines.length > FEW_LINES + 8;
  const lines = long && !all ? diff.lines.slice(0, FEW_LINES) : diff.lines.slice(0, 3000);
  const path = stringOf(input, "file_path");
  const text = () => diff.lines.map((line) => SIGNS[line.kind] + line.text).join("\n");
  return (
    <div className={styles.block}>
      <div className={styles.blockHead}>
        <span className={styles.path} title={path}>
          <bdi>{inWorkspace(path, session)}</bdi>
        </span>
        <CopyButton text={text} label={t.row.copy} />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <div className={styles.diff} tabIndex={0}>
        <div className={styles.diffLines}>
          {lines.length === 0 ? <p className={styles.none}>{t.tool.noChanges}</p> : null}
          {lines.map((line, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the lines of a diff do not move
            <Line key={index} line={line} />
          ))}
        </div>
      </div>
      {long ? (
        <button type="button" className={styles.more} onClick={() => setAll(!all)}>
          {all ? t.row.showLess : t.row.showAll(diff.lines.length)}
        </button>
      ) : null}
    </div>
  );
}

function Line({ line }: { line: DiffLine }) {
  const number = line.after ?? line.before;
  return (
    <div className={styles.diffLine} data-kind={line.kind}>
      {number === null ? null : <span className={styles.number}>{number}</span>}
      <span className={styles.sign}>{SIGNS[line.kind]}</span>
      <span>{line.text}</span>
    </div>
  );
}
