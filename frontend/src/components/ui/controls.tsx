/** Buttons of one make, so that size, focus and disabled state are the same everywhere. */
import { Check, Copy, type LucideIcon } from "lucide-react";
import { type ComponentProps, type ReactNode, useEffect, useState } from "react";
import { copyText } from "../../lib/clipboard";
import { t } from "../../strings";
import styles from "./controls.module.css";

interface ButtonProps extends ComponentProps<"button"> {
  readonly tone?: "plain" | "primary" | "danger" | "quiet";
  readonly shortcut?: string;
}

export function Button({ tone = "plain", shortcut, className, children, ...rest }: ButtonProps) {
  const classes = [styles.button, tone === "plain" ? "" : styles[tone], className ?? ""];
  return (
    <button type="button" {...rest} className={classes.join(" ")}>
      {children}
      {shortcut ? (
        <span className={styles.key} aria-hidden="true">
          {shortcut}
        </span>
      ) : null}
    </button>
  );
}

interface IconButtonProps extends Omit<ComponentProps<"button">, "children"> {
  readonly icon: LucideIcon;
  readonly label: string;
  readonly size?: number;
}

export function IconButton({ icon: Icon, label, size = 18, className, ...rest }: IconButtonProps) {
  return (
    <button
      type="button"
      title={label}
      aria-label={label}
      {...rest}
      className={`${styles.icon} ${className ?? ""}`}
    >
      <Icon size={size} aria-hidden="true" />
    </button>
  );
}

/** Copies what `text` returns, and says so. */
export function CopyButton({ text, label }: { text: () => string; label: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1600);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <IconButton
      icon={copied ? Check : Copy}
      size={16}
      label={copied ? t.row.copied : label}
      onClick={() => void copyText(text()).then(setCopied)}
    />
  );
}

export function Spinner(): ReactNode {
  return <span className={styles.spinner} aria-hidden="true" />;
}

export function Key({ children }: { children: ReactNode }) {
  return <kbd className={styles.key}>{children}</kbd>;
}
