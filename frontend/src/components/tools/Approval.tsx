/** A step that waits for a person: what it wants to do, and the ways to answer. */
import { Check, ShieldCheck } from "lucide-react";
import { type FormEvent, useState } from "react";
import { planOf } from "../../fold/input";
import { inWorkspace, shortCommand, stringOf, toolName } from "../../fold/summary";
import type { ToolItem } from "../../fold/view";
import { useController, useSession } from "../../store/session";
import { ui, useUi } from "../../store/ui";
import { t } from "../../strings";
import { Button, Spinner } from "../ui/controls";
import styles from "./approval.module.css";
import { DiffView } from "./DiffView";
import { EditInput } from "./EditInput";
import { Input } from "./Fields";
import { Plan } from "./Plan";
import { Terminal } from "./Terminal";
import { Glyph } from "./ToolCard";
import { useAnswering } from "./useAnswering";
import { useConfirm } from "./useConfirm";

export function Approval({ item }: { item: ToolItem }) {
  const mode = useUi((state) => (state.answering?.id === item.id ? state.answering.mode : null));
  const sending = useAnswering(item.id);
  const titleId = `approval-${item.id}`;
  const session = useSession((state) => state.id);
  const detail = inWorkspace(item.description ?? stringOf(item.input, "description"), session);
  return (
    <section
      className={styles.card}
      data-approval={item.id}
      data-plan-approval={isPlan(item) || undefined}
      aria-labelledby={titleId}
    >
      <div className={styles.head}>
        <Glyph item={item} />
        <h3 id={titleId} className={styles.title}>
          {isPlan(item) ? t.approval.planTitle : t.approval.title(toolName(item, session))}
        </h3>
      </div>
      {detail && item.name !== "Bash" ? <p className={styles.what}>{detail}</p> : null}
      {mode === "edit" ? <EditInput item={item} /> : <Wanted item={item} />}
      {sending ? (
        <p className={styles.actions}>
          <Spinner /> {t.approval.sending}
        </p>
      ) : mode === "deny" ? (
        <DenyForm item={item} />
      ) : mode === "edit" ? null : (
        <Actions item={item} />
      )}
    </section>
  );
}

/** The end of planning: it is accepted or not, once, and there is nothing in it to be run. */
function isPlan(item: ToolItem): boolean {
  return item.name === "ExitPlanMode";
}

function Wanted({ item }: { item: ToolItem }) {
  return (
    <>
      <Drawn item={item} />
      <Input item={item} />
    </>
  );
}

function Drawn({ item }: { item: ToolItem }) {
  const plan = planOf(item.name, item.input);
  if (plan) return <Plan text={plan} />;
  if (item.name === "Bash") return <Terminal item={item} />;
  if (item.name === "Edit" || item.name === "Write" || item.name === "MultiEdit") {
    return <DiffView name={item.name} input={item.input} details={null} />;
  }
  return null;
}

function Actions({ item }: { item: ToolItem }) {
  const controller = useController();
  const keys = useUi((state) => state.singleKeys);
  const confirm = useConfirm();
  const plan = isPlan(item);
  const allow = (scope: "once" | "session") =>
    confirm({ tool_use_id: item.id, result: "allow", scope });
  const key = (letter: string) => (keys ? letter : `Alt ${letter}`);
  return (
    <div className={styles.actions}>
      <Button tone="primary" shortcut={key("Y")} onClick={() => allow("once")}>
        <Check size={16} aria-hidden="true" />
        {plan ? t.approval.planAccept : t.approval.allow}
      </Button>
      {plan ? null : (
        <>
          <Button shortcut={key("S")} onClick={() => allow("session")}>
            <ShieldCheck size={16} aria-hidden="true" />
            {t.approval.allowSession}
          </Button>
          <Button
            tone="quiet"
            shortcut={key("E")}
            onClick={() => ui.answer({ id: item.id, mode: "edit" })}
          >
            {t.approval.edit}
          </Button>
        </>
      )}
      <Button
        tone="quiet"
        shortcut={key("N")}
        onClick={() => ui.answer({ id: item.id, mode: "deny" })}
      >
        {plan ? t.approval.planDeny : t.approval.deny}
      </Button>
      {!plan && item.rule && item.rule !== item.name ? (
        <p className={styles.rule}>
          {t.approval.allowSession}: <code>{shortCommand(item.rule, controller.id)}</code>
        </p>
      ) : null}
    </div>
  );
}

function DenyForm({ item }: { item: ToolItem }) {
  const confirm = useConfirm();
  const [message, setMessage] = useState("");
  const send = (event?: FormEvent) => {
    event?.preventDefault();
    const text = message.trim();
    const answer = { tool_use_id: item.id, result: "deny" } as const;
    confirm(text ? { ...answer, deny_message: text } : answer);
  };
  return (
    <form className={styles.form} onSubmit={send}>
      <label className={styles.field}>
        {isPlan(item) ? t.approval.planDenyTitle : t.approval.denyTitle}
        <textarea
          className={styles.area}
          rows={2}
          value={message}
          maxLength={10_000}
          // biome-ignore lint/a11y/noAutofocus: the person has just asked to write this
          autoFocus
          placeholder={isPlan(item) ? t.approval.planDenyPlaceholder : t.approval.denyPlaceholder}
          onChange={(event) => setMessage(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape") ui.answer(null);
            if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
              event.preventDefault();
              send();
            }
          }}
        />
      </label>
      <div className={styles.actions}>
        <Button type="submit" tone="danger">
          {isPlan(item) ? t.approval.planDeny : t.approval.denySend}
        </Button>
        <Button tone="quiet" onClick={() => ui.answer(null)}>
          {t.approval.cancelEdit}
        </Button>
      </div>
    </form>
  );
}
