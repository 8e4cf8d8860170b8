/** Short words at the edge, and the same for people who listen to the page. */
import { X } from "lucide-react";
import { ui, useUi } from "../store/ui";
import { t } from "../strings";
import styles from "./toasts.module.css";
import { Button, IconButton } from "./ui/controls";

export function Toasts() {
  const toasts = useUi((state) => state.toasts);
  return (
    <div className={styles.toasts} role="status">
      {toasts.map((toast) => (
        <div key={toast.id} className={styles.toast}>
          <p>{toast.text}</p>
          {toast.action ? (
            <Button
              tone="quiet"
              onClick={() => {
                toast.action?.run();
                ui.closeToast(toast.id);
              }}
            >
              {toast.action.label}
            </Button>
          ) : null}
          <IconButton
            icon={X}
            size={16}
            label={t.toast.close}
            onClick={() => ui.closeToast(toast.id)}
          />
        </div>
      ))}
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
