/** Where people write. The draft is kept per session, files come by picking, pasting or dropping. */
import { ArrowUp, Paperclip } from "lucide-react";
import {
  type ClipboardEvent,
  type DragEvent,
  type KeyboardEvent,
  type ReactNode,
  useRef,
  useState,
} from "react";
import type { ContentBlock } from "../../api/events";
import { bytes } from "../../lib/format";
import { useApp } from "../../store/app";
import { t } from "../../strings";
import { IconButton } from "../ui/controls";
import { AttachmentList } from "./AttachmentList";
import styles from "./composer.module.css";
import { blocksOf, useAttachments } from "./useAttachments";
import { useDraft } from "./useDraft";

interface Props {
  readonly draftKey: string;
  readonly placeholder: string;
  readonly sendLabel: string;
  readonly pickers: ReactNode;
  readonly stop?: ReactNode;
  readonly busy?: boolean;
  readonly autoFocus?: boolean;
  /** Comes to true when it was taken; until then, and otherwise, what was written stays. */
  readonly onSend: (content: readonly ContentBlock[]) => boolean | Promise<boolean>;
}

export const COMPOSER_ID = "composer";

export function Composer(props: Props) {
  const { draftKey, onSend, busy = false } = props;
  const limits = useApp((state) => state.me?.limits);
  const [text, setText] = useDraft(draftKey);
  const files = useAttachments(limits?.attachment_bytes ?? 10_000_000);
  const picker = useRef<HTMLInputElement>(null);
  const drop = useDrop(files.add);

  const tooLong =
    text.length > 1000 && new Blob([text]).size > (limits?.message_bytes ?? 1e6) * 0.95;
  const uploading = files.list.some((entry) => !entry.uploaded && !entry.error);
  const blocks = blocksOf(files.list);
  const failed = files.list.find((entry) => entry.error !== null)?.error ?? null;
  const ready =
    (text.trim() !== "" || blocks.length > 0) && !uploading && failed === null && !tooLong && !busy;

  const clear = () => {
    setText("");
    files.clear();
  };
  const send = () => {
    if (!ready) return;
    const words = text.trim();
    const sent = onSend([...blocks, ...(words ? [{ type: "text", text: words } as const] : [])]);
    if (sent === true) clear();
    else if (sent) void sent.then((taken) => taken && clear());
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  const onPaste = (event: ClipboardEvent) => {
    if (event.clipboardData.files.length === 0) return;
    event.preventDefault();
    files.add(event.clipboardData.files);
  };

  return (
    <form
      className={styles.composer}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
      {...drop.handlers}
    >
      {drop.over ? <div className={styles.drop}>{t.composer.dropHere}</div> : null}
      <AttachmentList list={files.list} onRemove={files.remove} onRetry={files.retry} />
      <textarea
        id={COMPOSER_ID}
        className={styles.text}
        rows={1}
        value={text}
        readOnly={busy}
        aria-label={t.composer.label}
        placeholder={props.placeholder}
        // biome-ignore lint/a11y/noAutofocus: writing is what this page is for
        autoFocus={props.autoFocus}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
        onPaste={onPaste}
      />
      {failed !== null ? (
        <p className={styles.warning} role="alert">
          {t.composer.uploadsFailed(failed)}
        </p>
      ) : null}
      {tooLong ? (
        <p className={styles.warning} role="alert">
          {t.composer.tooLong(bytes(limits?.message_bytes ?? 1e6))}
        </p>
      ) : null}
      <div className={styles.bar}>
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          onChange={(event) => {
            files.add(event.target.files ?? []);
            event.target.value = "";
          }}
        />
        <IconButton
          icon={Paperclip}
          label={t.composer.attach}
          onClick={() => picker.current?.click()}
        />
        {props.pickers}
        <span className={styles.space} />
        <span className={styles.hint} aria-hidden="true">
          {uploading ? t.composer.waitUploads : text ? t.composer.hint : ""}
        </span>
        {props.stop}
        <button
          type="submit"
          className={styles.send}
          disabled={!ready}
          aria-label={props.sendLabel}
          title={props.sendLabel}
        >
          <ArrowUp size={20} aria-hidden="true" />
        </button>
      </div>
    </form>
  );
}

function useDrop(add: (files: Iterable<File>) => void) {
  const [over, setOver] = useState(false);
  const depth = useRef(0);
  const hasFiles = (event: DragEvent) => event.dataTransfer.types.includes("Files");
  const handlers = {
    onDragEnter: (event: DragEvent) => {
      if (!hasFiles(event)) return;
      depth.current += 1;
      setOver(true);
    },
    onDragLeave: () => {
      depth.current = Math.max(0, depth.current - 1);
      if (depth.current === 0) setOver(false);
    },
    onDragOver: (event: DragEvent) => {
      if (hasFiles(event)) event.preventDefault();
    },
    onDrop: (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth.current = 0;
      setOver(false);
      add(event.dataTransfer.files);
    },
  };
  return { over, handlers };
}
