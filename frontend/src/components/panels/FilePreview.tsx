/** What a file of the workspace holds, as far as a page can show it. */
import { useEffect, useState } from "react";
import { api } from "../../api/client";
import { wordsFor } from "../../api/errors";
import { useSession } from "../../store/session";
import { t } from "../../strings";
import { Highlighted } from "../markdown/Highlighted";
import { Markdown } from "../markdown/Markdown";
import { kindOf, languageOf } from "./fileKinds";
import styles from "./panels.module.css";

const MAX_BYTES = 1_000_000;

type Content =
  | { readonly kind: "loading" | "too_big" | "binary" }
  | { readonly kind: "failed"; readonly why: string }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "picture"; readonly url: string };

export function FilePreview({ path }: { path: string }) {
  const id = useSession((state) => state.id);
  const [content, setContent] = useState<Content>({ kind: "loading" });
  useEffect(() => {
    let url: string | null = null;
    let current = true;
    load(id, path).then(
      (loaded) => {
        if (loaded.kind === "picture") url = loaded.url;
        if (current) setContent(loaded);
        else if (url) URL.revokeObjectURL(url);
      },
      (error: unknown) => current && setContent({ kind: "failed", why: wordsFor(error) }),
    );
    return () => {
      current = false;
      if (url) URL.revokeObjectURL(url);
    };
  }, [id, path]);
  switch (content.kind) {
    case "loading":
      return <p className={styles.empty}>{t.files.loading}</p>;
    case "too_big":
      return <p className={styles.empty}>{t.files.tooBig}</p>;
    case "binary":
      return <p className={styles.empty}>{t.files.binary}</p>;
    case "failed":
      return (
        <p className={styles.empty} role="alert">
          {content.why}
        </p>
      );
    case "picture":
      return (
        <div className={styles.preview}>
          <img className={styles.picture} src={content.url} alt={path} />
        </div>
      );
    case "text":
      return <TextPreview path={path} text={content.text} />;
  }
}

function TextPreview({ path, text }: { path: string; text: string }) {
  if (kindOf(path) === "markdown") {
    return (
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      <div className={`${styles.preview} ${styles.document}`} tabIndex={0}>
        <Markdown text={text} />
      </div>
    );
  }
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <pre className={styles.preview} tabIndex={0}>
      <Highlighted code={text} language={languageOf(path)} />
    </pre>
  );
}

async function load(id: string, path: string): Promise<Content> {
  const kind = kindOf(path);
  if (kind === "other") return { kind: "binary" };
  const response = await api.fileContent(id, path);
  if (Number(response.headers.get("content-length")) > MAX_BYTES * 10) return { kind: "too_big" };
  const blob = await response.blob();
  if (kind === "image") return { kind: "picture", url: URL.createObjectURL(blob) };
  if (blob.size > MAX_BYTES) return { kind: "too_big" };
  const text = await blob.text();
  return text.includes("\0") ? { kind: "binary" } : { kind: "text", text };
}
