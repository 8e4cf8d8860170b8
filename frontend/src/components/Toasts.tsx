/** Short words at the edge, and the same for people who listen to the page. */
import { CircleAlert, X } from "lucide-react";
import { useEffect, useState } from "react";
import type { Toast } from "../store/toasts";
import { ui, useUi } from "../store/ui";
import { t } from "../strings";
import styles from "./toasts.module.css";
import { Button, IconButton } from "./ui/controls";

const NOTE_MS = 7000;

export function Toasts() {
  const toasts = useUi((state) => state.toasts);
  return (
    <div className={styles.toasts} role="status">
      {toasts.map((toast) => (
        <One key={toast.id} toast={toast} />
      ))}
    </div>
  );
}

/** A note goes by itself, but never while somebody points at it or is in it. */
function One({ toast }: { toast: Toast }) {
  const { id, kind, text, action } = toast;
  const [pointed, setPointed] = useState(false);
  const [focused, setFocused] = useState(false);
  const stays = kind === "error" || pointed || focused;
  useEffect(() => {
    if (stays) return;
    const timer = setTimeout(() => ui.closeToast(id), NOTE_MS);
    return () => clearTimeout(timer);
  }, [id, stays]);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: nothing is done here but to wait
    <div
      className={styles.toast}
      data-toast={kind}
      onPointerEnter={() => setPointed(true)}
      onPointerLeave={() => setPointed(false)}
      onFocus={() => setFocused(true)}
      onBlur={() => setFocused(false)}
    >
      {kind === "error" ? <CircleAlert size={18} aria-hidden="true" /> : null}
      <p>{text}</p>
      {action ? (
        <Button
          tone="quiet"
          onClick={() => {
            action.run();
            ui.closeToast(id);
          }}
        >
          {action.label}
        </Button>
      ) : null}
      <IconButton icon={X} size={16} label={t.toast.close} onClick={() => ui.closeToast(id)} />
    </div>
  );
}

export function LiveRegions() {
  const polite = useUi((state) => state.polite);
  const assertive = useUi((state) => state.assertive);
  return (
    <>
      <div className="visually-hidden" aria-live="polite" data-live="polite">
        {polite}
      </div>
      <div className="visually-hidden" aria-live="assertive" data-live="assertive">
        {assertive}
      </div>
    </>
  );
}
