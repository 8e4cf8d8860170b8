/** One session in the list, with what can be done to it. */
import { Archive, ArchiveRestore, Ellipsis, Pencil, Trash2 } from "lucide-react";
import { memo, useState } from "react";
import { wordsFor } from "../../api/errors";
import { navigate } from "../../lib/router";
import { sessionPath } from "../../lib/routes";
import { type Entry, sessions } from "../../store/sessions";
import { ui } from "../../store/ui";
import { t } from "../../strings";
import { IconButton } from "../ui/controls";
import { Confirm, Menu, MenuItem, MenuSeparator } from "../ui/overlay";
import { follow } from "./follow";
import styles from "./sidebar.module.css";

interface Props {
  readonly entry: Entry;
  readonly isCurrent: boolean;
}

export const SessionEntry = memo(function SessionEntry({ entry, isCurrent }: Props) {
  const [renaming, setRenaming] = useState(false);
  const [deleting, setDeleting] = useState(false);
  const title = entry.title ?? t.app.untitled;
  const status = statusOf(entry);
  if (renaming) {
    return (
      <li className={styles.entry}>
        <Rename id={entry.id} title={title} onClose={() => setRenaming(false)} />
      </li>
    );
  }
  return (
    <li className={styles.entry} data-current={isCurrent}>
      <a
        className={styles.link}
        href={sessionPath(entry.id)}
        aria-current={isCurrent ? "page" : undefined}
        title={title}
        onClick={follow(sessionPath(entry.id))}
      >
        <span className={styles.entryTitle}>{title}</span>
        {status ? (
          <span className={styles.status} data-status={status} title={t.sidebar[status]}>
            <span className="visually-hidden">{t.sidebar[status]}</span>
          </span>
        ) : null}
        {entry.archived_at ? <Archive size={14} aria-label={t.sidebar.archivedMark} /> : null}
      </a>
      <Actions
        entry={entry}
        title={title}
        onRename={() => setRenaming(true)}
        onDelete={() => setDeleting(true)}
      />
      <Confirm
        open={deleting}
        title={t.confirmDelete.title}
        text={t.confirmDelete.text(title)}
        yes={t.confirmDelete.yes}
        no={t.confirmDelete.no}
        onClose={() => setDeleting(false)}
        onYes={() => {
          if (isCurrent) navigate("/");
          attempt(sessions.delete(entry.id));
        }}
      />
    </li>
  );
});

interface ActionsProps {
  readonly entry: Entry;
  readonly title: string;
  readonly onRename: () => void;
  readonly onDelete: () => void;
}

function Actions({ entry, title, onRename, onDelete }: ActionsProps) {
  const { id } = entry;
  const archive = () =>
    attempt(
      sessions.archive(id).then(() =>
        ui.toast(t.toast.archived, {
          label: t.toast.undo,
          run: () => attempt(sessions.unarchive(id)),
        }),
      ),
    );
  return (
    <Menu
      trigger={
        <IconButton icon={Ellipsis} label={t.sidebar.actions(title)} className={styles.actions} />
      }
    >
      {/* The menu gives focus back to its button when it closes; the field takes it after that. */}
      <MenuItem icon={Pencil} onSelect={() => setTimeout(onRename)}>
        {t.sidebar.rename}
      </MenuItem>
      {entry.archived_at ? (
        <MenuItem icon={ArchiveRestore} onSelect={() => attempt(sessions.unarchive(id))}>
          {t.sidebar.unarchive}
        </MenuItem>
      ) : (
        <MenuItem icon={Archive} onSelect={archive}>
          {t.sidebar.archive}
        </MenuItem>
      )}
      <MenuSeparator />
      <MenuItem icon={Trash2} danger onSelect={onDelete}>
        {t.sidebar.delete}
      </MenuItem>
    </Menu>
  );
}

function Rename({ id, title, onClose }: { id: string; title: string; onClose: () => void }) {
  const [text, setText] = useState(title);
  const save = () => {
    const next = text.trim();
    if (next && next !== title) attempt(sessions.rename(id, next));
    onClose();
  };
  return (
    <input
      className={styles.input}
      value={text}
      maxLength={200}
      aria-label={t.sidebar.renameLabel}
      // biome-ignore lint/a11y/noAutofocus: the person has just asked to rename this
      autoFocus
      onFocus={(event) => event.target.select()}
      onChange={(event) => setText(event.target.value)}
      onBlur={save}
      onKeyDown={(event) => {
        if (event.key === "Enter") save();
        if (event.key === "Escape") onClose();
      }}
    />
  );
}

function attempt(work: Promise<unknown>): void {
  work.catch((error: unknown) => ui.complain(wordsFor(error)));
}

function statusOf(entry: Entry): "working" | "waiting" | "trouble" | null {
  if (entry.pending.length > 0) return "waiting";
  if (entry.state === "running") return "working";
  return entry.state === "error" ? "trouble" : null;
}
