/** What the person said, and what can be done with it. */
import { Copy, Ellipsis, GitBranch, History, Pencil } from "lucide-react";
import { memo, useState } from "react";
import type { ContentBlock } from "../../api/events";
import type { OutboxEntry } from "../../api/outbox";
import { textOf } from "../../fold/messages";
import type { UserItem } from "../../fold/view";
import { copyText } from "../../lib/clipboard";
import { branchOff } from "../../store/branching";
import { rewindFiles } from "../../store/rewinding";
import { useController, useSession } from "../../store/session";
import { t } from "../../strings";
import { Button, CopyButton, IconButton } from "../ui/controls";
import { Confirm, Menu, MenuItem, MenuSeparator } from "../ui/overlay";
import { Attachments } from "./Attachments";
import styles from "./user.module.css";

const LONG = 320;
/** From here on only the beginning is shown at first: what follows it is what people come for. */
const VERY_LONG = 1800;
const MANY_LINES = 20;

export const UserMessage = memo(function UserMessage({ item }: { item: UserItem }) {
  const readOnly = useSession((state) => state.readOnly);
  const [editing, setEditing] = useState(false);
  const begun = item.state === "started";
  return (
    <div className={styles.user} data-menu={begun && !readOnly && !editing}>
      {editing ? (
        <EditAgain item={item} onClose={() => setEditing(false)} />
      ) : (
        <>
          {begun && !readOnly ? <Actions item={item} onEdit={() => setEditing(true)} /> : null}
          <Content content={item.content} />
        </>
      )}
      {item.edited ? <p className={styles.foot}>{t.row.edited}</p> : null}
    </div>
  );
});

function Actions({ item, onEdit }: { item: UserItem; onEdit: () => void }) {
  const id = useSession((state) => state.id);
  const [rewinding, setRewinding] = useState(false);
  return (
    <>
      <Menu
        trigger={
          <IconButton
            icon={Ellipsis}
            size={16}
            label={t.branch.actions}
            className={styles.userMenu}
          />
        }
      >
        {/* The menu gives focus back to its button when it closes; the field takes it after that. */}
        <MenuItem icon={Pencil} onSelect={() => setTimeout(onEdit)}>
          {t.branch.edit}
        </MenuItem>
        <MenuItem icon={GitBranch} onSelect={() => void branchOff(id, item.id, null)}>
          {t.branch.here}
        </MenuItem>
        <MenuItem icon={History} onSelect={() => setRewinding(true)}>
          {t.branch.rewind}
        </MenuItem>
        <MenuSeparator />
        <MenuItem icon={Copy} onSelect={() => void copyText(textOf(item.content))}>
          {t.row.copy}
        </MenuItem>
      </Menu>
      <Confirm
        open={rewinding}
        title={t.branch.rewindTitle}
        text={t.branch.rewindText}
        yes={t.branch.rewindYes}
        no={t.branch.back}
        onClose={() => setRewinding(false)}
        onYes={() => void rewindFiles(id, item.id)}
      />
    </>
  );
}

/** The message once more, to be sent in a branch of its own: what was answered here stays. */
function EditAgain({ item, onClose }: { item: UserItem; onClose: () => void }) {
  const id = useSession((state) => state.id);
  const [text, setText] = useState(() => textOf(item.content));
  const [busy, setBusy] = useState(false);
  const rest = item.content.filter((block) => block.type !== "text");
  const words = text.trim();
  const ready = !busy && (words !== "" || rest.length > 0);
  const send = async () => {
    if (!ready) return;
    setBusy(true);
    const said = words ? [{ type: "text", text: words } as const] : [];
    if (!(await branchOff(id, item.id, [...rest, ...said]))) setBusy(false);
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <textarea
        className={styles.again}
        value={text}
        rows={Math.min(12, text.split("\n").length + 1)}
        aria-label={t.branch.editLabel}
        // biome-ignore lint/a11y/noAutofocus: the person has just asked to edit this
        autoFocus
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") onClose();
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void send();
        }}
      />
      <Attachments blocks={rest} />
      <div className={styles.foot}>
        <Button type="submit" tone="primary" disabled={!ready}>
          {busy ? t.branch.making : t.branch.send}
        </Button>
        <Button tone="quiet" onClick={onClose}>
          {t.branch.back}
        </Button>
        <span>{t.branch.editHint}</span>
      </div>
    </form>
  );
}

/** A message that is not on the log yet: on its way, kept for later, or refused. */
export function UnsentMessage({ entry }: { entry: OutboxEntry }) {
  const controller = useController();
  const live = useSession((state) => state.connection.phase === "live");
  const event = entry.events[0];
  if (event?.type !== "user.message") return null;
  const status = entry.refused ?? (live ? t.row.sending : t.row.kept);
  return (
    <div className={styles.user} data-waiting="true" data-unsent={entry.clientId}>
      <Content content={event.content} />
      <div className={styles.foot} data-tone={entry.refused ? "danger" : "plain"}>
        <span>{entry.refused ? `${t.row.refused}: ${status}` : status}</span>
        {entry.refused ? (
          <>
            <Button tone="quiet" onClick={() => controller.sender.resend(entry)}>
              {t.row.sendAgain}
            </Button>
            <Button tone="quiet" onClick={() => controller.sender.discard(entry.clientId)}>
              {t.row.discard}
            </Button>
            <CopyButton text={() => textOf(event.content)} label={t.row.copy} />
          </>
        ) : null}
      </div>
    </div>
  );
}

function Content({ content }: { content: readonly ContentBlock[] }) {
  const text = textOf(content);
  const [all, setAll] = useState(false);
  const veryLong = text.length > VERY_LONG || text.split("\n", MANY_LINES).length === MANY_LINES;
  return (
    <>
      {text ? (
        <p
          className={styles.userText}
          data-long={text.length > LONG || text.includes("\n")}
          data-clipped={veryLong && !all}
        >
          {text}
        </p>
      ) : null}
      {veryLong ? (
        <button
          type="button"
          className={styles.more}
          aria-expanded={all}
          onClick={() => setAll(!all)}
        >
          {all ? t.row.showLess : t.row.showWhole}
        </button>
      ) : null}
      <Attachments blocks={content} />
    </>
  );
}
