/** Which short words lie at the edge of the page: what went wrong stays until the person closes it. */
export interface Toast {
  readonly id: number;
  readonly kind: "note" | "error";
  readonly text: string;
  readonly action?: { readonly label: string; readonly run: () => void };
}

const MAX = 3;
const MAX_ERRORS = 5;

/** The list with a new one at its end. The same words are there once; the oldest notes make room. */
export function withToast(toasts: readonly Toast[], toast: Toast): readonly Toast[] {
  const others = toasts.filter((old) => old.text !== toast.text);
  const all = [...others, toast];
  const errors = all.filter((one) => one.kind === "error").slice(-MAX_ERRORS);
  const room = Math.max(toast.kind === "note" ? 1 : 0, MAX - errors.length);
  const notes = all.filter((one) => one.kind === "note");
  const kept = new Set([...errors, ...notes.slice(Math.max(0, notes.length - room))]);
  return all.filter((one) => kept.has(one));
}
