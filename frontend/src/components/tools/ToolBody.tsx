/** The details of a tool call: what it got, what came out, each in the form that fits it. */
import { planOf } from "../../fold/input";
import { textOf } from "../../fold/messages";
import { stringOf } from "../../fold/summary";
import { todosOf } from "../../fold/todos";
import type { ToolItem } from "../../fold/view";
import { bytes } from "../../lib/format";
import { useSession } from "../../store/session";
import { t } from "../../strings";
import { Attachments } from "../conversation/Attachments";
import { Markdown } from "../markdown/Markdown";
import { Answers } from "./Answers";
import { Children } from "./Children";
import { DiffView } from "./DiffView";
import styles from "./details.module.css";
import { Input } from "./Fields";
import { OutputBlock } from "./OutputBlock";
import { Plan } from "./Plan";
import { Terminal } from "./Terminal";
import { TodoList } from "./TodoList";

export function ToolBody({ item }: { item: ToolItem }) {
  return (
    <>
      {item.answer?.updated_input ? <p className={styles.note}>{t.tool.editedByYou}</p> : null}
      <Body item={item} />
      {item.answer?.deny_message ? (
        <p className={styles.quote}>
          <span className={styles.note}>{t.tool.denyMessage}</span> {item.answer.deny_message}
        </p>
      ) : null}
      {item.state === "denied" && !item.answer ? (
        <p className={styles.note}>{t.tool.deniedByPolicy(item.reason)}</p>
      ) : null}
      {item.result && item.result.truncatedBytes > 0 ? (
        <p className={styles.note}>{t.tool.truncated(bytes(item.result.truncatedBytes))}</p>
      ) : null}
    </>
  );
}

function Body({ item }: { item: ToolItem }) {
  const plan = planOf(item.name, item.input);
  switch (item.name) {
    case "Bash":
      return (
        <>
          <Terminal item={item} />
          <Input item={item} />
        </>
      );
    case "Edit":
    case "Write":
    case "MultiEdit":
      return (
        <>
          <DiffView name={item.name} input={item.input} details={item.result?.details ?? null} />
          <Input item={item} />
          {item.result?.isError && item.state === "failed" ? <Output item={item} /> : null}
        </>
      );
    case "Agent":
    case "Task":
      return <Helper item={item} />;
    case "AskUserQuestion":
      return <Answers item={item} />;
    case "TodoWrite":
      return <TodoList todos={todosOf(item.input)} />;
    default:
      return (
        <>
          {plan ? <Plan text={plan} /> : null}
          <Input item={item} />
          <Output item={item} />
        </>
      );
  }
}

function Helper({ item }: { item: ToolItem }) {
  const result = textOf(item.result?.blocks);
  // The result repeats the helper's own last words, in a frame that is meant for the model.
  const spoke = useSession(({ view }) =>
    item.children.some((id) => view.items.get(id)?.kind === "answer"),
  );
  return (
    <>
      <p className={styles.quote}>{stringOf(item.input, "prompt")}</p>
      <Input item={item} />
      <Children ids={item.children} />
      {result && !spoke && item.state !== "denied" ? <Markdown text={result} /> : null}
    </>
  );
}

function Output({ item }: { item: ToolItem }) {
  if (!item.result || item.state === "denied") return null;
  const files = item.result.blocks.filter((block) => block.type !== "text");
  return (
    <>
      <OutputBlock
        title={item.result.isError ? t.tool.errorOutput : t.tool.output}
        text={textOf(item.result.blocks)}
        copyLabel={t.tool.copyOutput}
      />
      {files.length > 0 ? <Attachments blocks={files} /> : null}
    </>
  );
}
