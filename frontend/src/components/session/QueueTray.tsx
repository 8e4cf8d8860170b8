/** Messages that wait for their turn: each can be changed or taken back until it starts. */
import { Pencil, X } from "lucide-react";
import { useState } from "react";
import { textOf } from "../../fold/messages";
import type { UserItem } from "../../fold/view";
import { useController, useItem, useSession } from "../../store/session";
import { t } from "../../strings";
import { Button, IconButton } from "../ui/controls";
import styles from "./dock.module.css";

export function QueueTray() {
  const queue = useSession((state) => state.view.queue);
  if (queue.length === 0) return null;
  return (
    <section className={styles.strip} aria-label={t.queue.title(queue.length)} data-queue>
      <p className={styles.queueHead}>
        <strong>{t.queue.title(queue.length)}</strong> <span>{t.queue.hint}</span>
      </p>
      <ul className={styles.queueList}>
        {queue.map((id) => (
          <Queued key={id} id={id} />
        ))}
      </ul>
    </section>
  );
}

function Queued({ id }: { id: string }) {
  const item = useItem(id);
  const controller = useController();
  const [editing, setEditing] = useState(false);
  if (item?.kind !== "user") return null;
  if (editing) {
    return (
      <li className={styles.queued}>
        <Edit item={item} onClose={() => setEditing(false)} />
      </li>
    );
  }
  return (
    <li className={styles.queued}>
      <span className={styles.queuedText}>{textOf(item.content) || t.row.attachment}</span>
      <IconButton icon={Pencil} size={16} label={t.queue.edit} onClick={() => setEditing(true)} />
      <IconButton
        icon={X}
        size={16}
        label={t.queue.cancel}
        onClick={() => controller.sender.cancelQueued(id)}
      />
    </li>
  );
}

function Edit({ item, onClose }: { item: UserItem; onClose: () => void }) {
  const controller = useController();
  const [text, setText] = useState(() => textOf(item.content));
  const save = () => {
    const words = text.trim();
    if (!words) return;
    const files = item.content.filter((block) => block.type !== "text");
    controller.sender.updateQueued(item.id, [...files, { type: "text", text: words }]);
    onClose();
  };
  return (
    <form
      className={styles.edit}
      onSubmit={(event) => {
        event.preventDefault();
        save();
      }}
    >
      <textarea
        rows={2}
        value={text}
        aria-label={t.queue.edit}
        // biome-ignore lint/a11y/noAutofocus: the person has just asked to edit this
        autoFocus
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") onClose();
          if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
            event.preventDefault();
            save();
          }
        }}
      />
      <div className={styles.editActions}>
        <Button type="submit" tone="primary">
          {t.queue.save}
        </Button>
        <Button tone="quiet" onClick={onClose}>
          {t.queue.back}
        </Button>
      </div>
    </form>
  );
}
