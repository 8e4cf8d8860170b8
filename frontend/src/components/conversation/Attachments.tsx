/** Pictures and documents of a message or a tool's output. */
import { FileText } from "lucide-react";
import { useContext, useEffect, useState } from "react";
import { api } from "../../api/client";
import type { ContentBlock, Source } from "../../api/events";
import { PictureSource } from "../../store/pictures";
import { t } from "../../strings";
import styles from "./user.module.css";

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
  const url = useUrl(block);
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

/** Where the block's bytes are; for who only has a link, a picture's are fetched with it. */
function useUrl(block: FileBlock): string | null {
  const fetchPicture = useContext(PictureSource);
  const fileId =
    fetchPicture && block.type === "image" && block.source.type === "file"
      ? block.source.file_id
      : null;
  const [fetched, setFetched] = useState<string | null>(null);
  useEffect(() => {
    if (fileId === null || !fetchPicture) return;
    let current = true;
    let address: string | null = null;
    fetchPicture(fileId).then(
      (found) => {
        address = found;
        if (current) setFetched(found);
        else URL.revokeObjectURL(found);
      },
      () => undefined,
    );
    return () => {
      current = false;
      if (address) URL.revokeObjectURL(address);
    };
  }, [fileId, fetchPicture]);
  if (!fetchPicture || block.source.type !== "file") return urlOf(block.source);
  return fetched;
}

function urlOf(source: Source): string | null {
  if (source.type === "file") return api.uploadedUrl(source.file_id);
  if (source.type === "base64" && IMAGES.test(source.media_type)) {
    return `data:${source.media_type};base64,${source.data}`;
  }
  return null;
}
