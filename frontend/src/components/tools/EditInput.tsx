/** Changing what a tool gets before it runs: its texts as fields, the rest as JSON. */
import { type FormEvent, useId, useMemo, useState } from "react";
import type { Json, JsonObject } from "../../api/events";
import type { ToolItem } from "../../fold/view";
import { ui } from "../../store/ui";
import { t } from "../../strings";
import { Button } from "../ui/controls";
import styles from "./approval.module.css";
import { useConfirm } from "./useConfirm";

export function EditInput({ item }: { item: ToolItem }) {
  const confirm = useConfirm();
  const errorId = useId();
  const initial = useMemo(() => fieldsOf(item.input), [item.input]);
  const [fields, setFields] = useState(initial);
  const [wrong, setWrong] = useState<string | null>(null);
  const send = (event: FormEvent) => {
    event.preventDefault();
    const input: Record<string, Json> = {};
    for (const { name, text, json } of fields) {
      const value = json ? parse(text) : text;
      if (value === undefined) {
        setWrong(name);
        return;
      }
      input[name] = value;
    }
    confirm({ tool_use_id: item.id, result: "allow", updated_input: input });
  };
  return (
    <form
      className={styles.form}
      onSubmit={send}
      onKeyDown={(event) => event.key === "Escape" && ui.answer(null)}
    >
      {fields.map((field, index) => (
        <label key={field.name} className={styles.field}>
          {field.name}
          <textarea
            className={styles.area}
            data-mono
            rows={Math.min(10, field.text.split("\n").length)}
            value={field.text}
            spellCheck={false}
            aria-invalid={wrong === field.name}
            aria-describedby={wrong === field.name ? errorId : undefined}
            // biome-ignore lint/a11y/noAutofocus: the person has just asked to edit this
            autoFocus={index === 0}
            onChange={(event) => {
              const text = event.target.value;
              setFields(fields.map((old) => (old.name === field.name ? { ...old, text } : old)));
              setWrong(null);
            }}
          />
          {wrong === field.name ? (
            <span id={errorId} className={styles.error} role="alert">
              {t.approval.invalidJson}
            </span>
          ) : null}
        </label>
      ))}
      <div className={styles.actions}>
        <Button type="submit" tone="primary">
          {t.approval.runEdited}
        </Button>
        <Button tone="quiet" onClick={() => ui.answer(null)}>
          {t.approval.cancelEdit}
        </Button>
      </div>
    </form>
  );
}

interface Field {
  readonly name: string;
  readonly text: string;
  readonly json: boolean;
}

function fieldsOf(input: JsonObject): readonly Field[] {
  return Object.entries(input).map(([name, value]) =>
    typeof value === "string"
      ? { name, text: value, json: false }
      : { name, text: JSON.stringify(value, null, 2), json: true },
  );
}

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
