import { FileText, RotateCw, X } from "lucide-react";
import { t } from "../../strings";
import { IconButton } from "../ui/controls";
import styles from "./composer.module.css";
import type { Attachment } from "./useAttachments";

interface Props {
  readonly list: readonly Attachment[];
  readonly onRemove: (key: string) => void;
  readonly onRetry: (key: string) => void;
}

export function AttachmentList({ list, onRemove, onRetry }: Props) {
  if (list.length === 0) return null;
  return (
    <ul className={styles.files}>
      {list.map((entry) => (
        <li key={entry.key} className={styles.file} data-failed={entry.error !== null}>
          {entry.preview ? (
            <img src={entry.preview} alt="" />
          ) : (
            <FileText size={18} aria-hidden="true" />
          )}
          <span className={styles.fileName} title={entry.error ?? entry.name}>
            {entry.name}
            {entry.uploaded ? null : (
              <span className={styles.fileState}>
                {entry.error
                  ? t.composer.uploadFailed
                  : t.composer.uploading(Math.round(entry.progress * 100))}
              </span>
            )}
          </span>
          {entry.error ? (
            <IconButton
              icon={RotateCw}
              size={16}
              label={t.composer.retryUpload(entry.name)}
              onClick={() => onRetry(entry.key)}
            />
          ) : null}
          <IconButton
            icon={X}
            size={16}
            label={t.composer.remove(entry.name)}
            onClick={() => onRemove(entry.key)}
          />
        </li>
      ))}
    </ul>
  );
}
