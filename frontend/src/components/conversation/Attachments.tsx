/** Pictures and documents of a message or a tool's output. */
import { FileText } from "lucide-react";
import { api } from "../../api/client";
import type { ContentBlock, Source } from "../../api/events";
import { t } from "../../strings";
import styles from "./rows.module.css";

type FileBlock = Exclude<ContentBlock, { type: "text" }>;

const IMAGES = /^image\/(?:png|jpeg|gif|webp)$/;

export function Attachments({ blocks }: { blocks: readonly ContentBlock[] }) {
  const files = blocks.filter((block): block is FileBlock => block.type !== "text");
  if (files.length === 0) return null;
  return (
    <div className={styles.attachments}>
      {files.map((block, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the blocks of a message do not move
        <Attachment key={index} block={block} />
      ))}
    </div>
  );
}

function Attachment({ block }: { block: FileBlock }) {
  const url = urlOf(block.source);
  if (block.type === "image" && url) {
    return <img className={styles.image} src={url} alt={t.row.image} loading="lazy" />;
  }
  const name = (block.type === "document" ? block.title : null) ?? t.row.attachment;
  const content = (
    <>
      <FileText size={16} aria-hidden="true" /> {name}
    </>
  );
  return url ? (
    <a className={styles.file} href={url} target="_blank" rel="noopener noreferrer">
      {content}
    </a>
  ) : (
    <span className={styles.file}>{content}</span>
  );
}

function urlOf(source: Source): string | null {
  if (source.type === "file") return api.uploadedUrl(source.file_id);
  if (source.type === "base64" && IMAGES.test(source.media_type)) {
    return `data:${source.media_type};base64,${source.data}`;
  }
  return null;
}
