/** A text that survives a reload, kept in the browser under a name. */
import { useCallback, useState } from "react";

const nameOf = (key: string) => `csp.draft.${key}`;

export function readDraft(key: string): string {
  try {
    return localStorage.getItem(nameOf(key)) ?? "";
  } catch {
    return "";
  }
}

export function writeDraft(key: string, text: string): void {
  try {
    if (text === "") localStorage.removeItem(nameOf(key));
    else localStorage.setItem(nameOf(key), text);
  } catch {
    // A full or blocked storage: the text still lives as long as this page.
  }
}

/** The component must be keyed by `key`: another key is another draft. */
export function useDraft(key: string): readonly [string, (text: string) => void] {
  const [text, setText] = useState(() => readDraft(key));
  const change = useCallback(
    (next: string) => {
      setText(next);
      writeDraft(key, next);
    },
    [key],
  );
  return [text, change];
}
