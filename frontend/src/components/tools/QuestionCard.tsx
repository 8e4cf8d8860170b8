/** Questions of the agent with choices; the answer goes back as the result of its tool call. */
import { MessageCircleQuestion } from "lucide-react";
import { useMemo, useState } from "react";
import { type Question, questionsOf } from "../../fold/questions";
import type { ToolItem } from "../../fold/view";
import { t } from "../../strings";
import { Button } from "../ui/controls";
import styles from "./question.module.css";
import { useAnswering } from "./useAnswering";
import { useConfirm } from "./useConfirm";

interface Given {
  readonly labels: readonly string[];
  readonly other: string | null;
}

const NONE: Given = { labels: [], other: null };

export function QuestionCard({ item }: { item: ToolItem }) {
  const confirm = useConfirm();
  const sending = useAnswering(item.id);
  const questions = useMemo(() => questionsOf(item.input), [item.input]);
  const [given, setGiven] = useState<Readonly<Record<string, Given>>>({});
  const complete = questions.every(({ question }) => answerOf(given[question]).length > 0);
  const submit = () => {
    const answers: Record<string, string | readonly string[]> = {};
    for (const { question, multiSelect } of questions) {
      const labels = answerOf(given[question]);
      answers[question] = multiSelect ? labels : (labels[0] ?? "");
    }
    confirm({ tool_use_id: item.id, result: "allow", answers });
  };
  const skip = () =>
    confirm({
      tool_use_id: item.id,
      result: "deny",
      deny_message: t.question.skipped,
    });
  return (
    <form
      className={styles.card}
      data-approval={item.id}
      data-question
      onSubmit={(event) => {
        event.preventDefault();
        if (complete && !sending) submit();
      }}
    >
      <p className={styles.head}>
        <MessageCircleQuestion size={18} aria-hidden="true" /> {t.question.title}
      </p>
      {questions.map((question) => (
        <Choices
          key={question.question}
          name={`${item.id}-${question.question}`}
          question={question}
          given={given[question.question] ?? NONE}
          onChange={(next) => setGiven({ ...given, [question.question]: next })}
        />
      ))}
      <div className={styles.actions}>
        <Button type="submit" tone="primary" disabled={!complete || sending}>
          {sending ? t.approval.sending : t.question.submit}
        </Button>
        <Button tone="quiet" disabled={sending} onClick={skip}>
          {t.question.skip}
        </Button>
      </div>
    </form>
  );
}

interface ChoicesProps {
  readonly name: string;
  readonly question: Question;
  readonly given: Given;
  readonly onChange: (given: Given) => void;
}

function Choices({ name, question, given, onChange }: ChoicesProps) {
  const { multiSelect, options } = question;
  const type = multiSelect ? "checkbox" : "radio";
  const choose = (label: string, on: boolean) => {
    if (!multiSelect) onChange({ labels: [label], other: null });
    else {
      const rest = given.labels.filter((other) => other !== label);
      onChange({ ...given, labels: on ? [...rest, label] : rest });
    }
  };
  const chooseOther = (on: boolean) =>
    onChange({ labels: multiSelect ? given.labels : [], other: on ? "" : null });
  return (
    <fieldset>
      <legend className={styles.legend}>
        {question.question}
        <span className={styles.many}>
          {multiSelect ? t.question.chooseMany : t.question.choose}
        </span>
      </legend>
      <div className={styles.options}>
        {options.map(({ label, description }) => (
          <label key={label} className={styles.option}>
            <input
              type={type}
              name={name}
              checked={given.labels.includes(label)}
              onChange={(event) => choose(label, event.target.checked)}
            />
            <span>
              <strong>{label}</strong>
              {description ? <small>{description}</small> : null}
            </span>
          </label>
        ))}
        <label className={styles.option}>
          <input
            type={type}
            name={name}
            checked={given.other !== null}
            onChange={(event) => chooseOther(event.target.checked)}
          />
          <strong>{t.question.other}</strong>
        </label>
        {given.other === null ? null : (
          <input
            className={styles.other}
            value={given.other}
            aria-label={t.question.otherPlaceholder}
            placeholder={t.question.otherPlaceholder}
            onChange={(event) => onChange({ ...given, other: event.target.value })}
          />
        )}
      </div>
    </fieldset>
  );
}

function answerOf(given: Given | undefined): readonly string[] {
  if (!given) return [];
  const other = given.other?.trim();
  return other ? [...given.labels, other] : given.labels;
}
