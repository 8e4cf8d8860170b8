/** What a tool call gets, as a table of its fields; what is long is folded. */
import { useState } from "react";
import type { Json } from "../../api/events";
import { type Field, fieldsOf } from "../../fold/input";
import { inWorkspace } from "../../fold/summary";
import type { ToolItem } from "../../fold/view";
import { useSession } from "../../store/session";
import { t } from "../../strings";
import resultStyles from "../result/result.module.css";
import { Tree } from "../result/Tree";
import { CopyButton } from "../ui/controls";
import styles from "./details.module.css";
import { useClipped } from "./OutputBlock";

const FEW = 8;
const SLACK = 2;

export function Input({ item }: { item: Pick<ToolItem, "name" | "input"> }) {
  const [all, setAll] = useState(false);
  const fields = fieldsOf(item.name, item.input);
  if (fields.length === 0) return null;
  const long = fields.length > FEW + SLACK;
  const shown = long && !all ? fields.slice(0, FEW) : fields;
  const text = () =>
    JSON.stringify(Object.fromEntries(fields.map(({ name, value }) => [name, value])), null, 2);
  return (
    <div className={styles.block} data-input>
      <div className={styles.blockHead}>
        <span>{t.tool.input}</span>
        <CopyButton text={text} label={t.tool.copyInput} />
      </div>
      <dl className={styles.fields}>
        {shown.map((field) => (
          <Row key={field.name} field={field} />
        ))}
      </dl>
      {long ? (
        <button type="button" className={styles.more} onClick={() => setAll(!all)}>
          {all ? t.row.showLess : t.tool.allFields(fields.length)}
        </button>
      ) : null}
    </div>
  );
}

function Row({ field: { name, label, value } }: { field: Field }) {
  return (
    <div>
      <dt title={name}>{label}</dt>
      <dd>
        <Value value={value} />
      </dd>
    </div>
  );
}

function Value({ value }: { value: Json }) {
  if (typeof value === "string") return <Text text={value} />;
  if (typeof value === "boolean") return value ? t.tool.yes : t.tool.no;
  if (value === null) return <span className={styles.none}>{t.tool.nothing}</span>;
  if (typeof value === "number") return String(value);
  return (
    <div className={resultStyles.tree} data-inline>
      <Tree value={value} open={JSON.stringify(value).length < 400} />
    </div>
  );
}

function Text({ text }: { text: string }) {
  const session = useSession((state) => state.id);
  const { shown, toggle } = useClipped(inWorkspace(text, session));
  if (text === "") return <span className={styles.none}>{t.tool.nothing}</span>;
  return (
    <>
      {shown}
      {toggle}
    </>
  );
}
