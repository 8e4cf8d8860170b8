/** The files that a message being written carries: uploaded while the person still types. */
import { useCallback, useEffect, useRef, useState } from "react";
import { wordsFor } from "../../api/errors";
import type { ContentBlock } from "../../api/events";
import type { UploadedFile } from "../../api/types";
import { type Upload, upload } from "../../api/upload";
import { bytes } from "../../lib/format";
import { newId } from "../../lib/ids";
import { ui } from "../../store/ui";
import { t } from "../../strings";

export interface Attachment {
  readonly key: string;
  readonly file: File;
  readonly name: string;
  readonly isImage: boolean;
  /** An address of the local file, for showing a picture of it. */
  readonly preview: string | null;
  readonly progress: number;
  readonly uploaded: UploadedFile | null;
  readonly error: string | null;
}

const IMAGES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

export function useAttachments(maxBytes: number) {
  const [list, setList] = useState<readonly Attachment[]>([]);
  const uploads = useRef(new Map<string, Upload>());

  const patch = useCallback((key: string, change: Partial<Attachment>) => {
    setList((old) => old.map((entry) => (entry.key === key ? { ...entry, ...change } : entry)));
  }, []);

  const begin = useCallback(
    (key: string, file: File) => {
      const started = upload(file, (progress) => patch(key, { progress }));
      uploads.current.set(key, started);
      started.done.then(
        (uploaded) => patch(key, { uploaded, progress: 1 }),
        (error: unknown) => patch(key, { error: wordsFor(error) }),
      );
    },
    [patch],
  );

  const add = useCallback(
    (files: Iterable<File>) => {
      for (const file of files) {
        if (file.size > maxBytes) {
          ui.complain(t.composer.tooBig(file.name, bytes(maxBytes)));
          continue;
        }
        const entry = newAttachment(file);
        setList((old) => [...old, entry]);
        begin(entry.key, file);
      }
    },
    [maxBytes, begin],
  );

  const retry = useCallback(
    (key: string) => {
      const entry = list.find((one) => one.key === key);
      if (!entry) return;
      patch(key, { error: null, progress: 0 });
      begin(key, entry.file);
    },
    [list, patch, begin],
  );

  const remove = useCallback((key: string) => {
    uploads.current.get(key)?.cancel();
    uploads.current.delete(key);
    setList((old) => old.filter((entry) => entry.key !== key || !forget(entry)));
  }, []);

  const clear = useCallback(() => {
    uploads.current.clear();
    setList((old) => old.filter((entry) => !forget(entry)));
  }, []);

  useEffect(() => {
    const running = uploads.current;
    return () => {
      for (const started of running.values()) started.cancel();
    };
  }, []);

  return { list, add, retry, remove, clear };
}

export function blocksOf(list: readonly Attachment[]): ContentBlock[] {
  return list.flatMap((entry): ContentBlock[] => {
    if (!entry.uploaded) return [];
    const source = { type: "file", file_id: entry.uploaded.id } as const;
    return entry.isImage
      ? [{ type: "image", source }]
      : [{ type: "document", source, title: entry.name }];
  });
}

function newAttachment(file: File): Attachment {
  const isImage = IMAGES.has(file.type);
  return {
    key: newId(),
    file,
    name: file.name || t.row.attachment,
    isImage,
    preview: isImage ? URL.createObjectURL(file) : null,
    progress: 0,
    uploaded: null,
    error: null,
  };
}

function forget(entry: Attachment): true {
  if (entry.preview) URL.revokeObjectURL(entry.preview);
  return true;
}
