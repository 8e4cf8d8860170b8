/** A whole area that has nothing else to show: loading, gone, unreachable. */
import type { ReactNode } from "react";
import { Spinner } from "./controls";
import styles from "./states.module.css";

export function Loading({ text }: { text: string }) {
  return (
    <div className={styles.center} role="status">
      <span className={styles.spinner}>
        <Spinner />
      </span>
      <p className={styles.soft}>{text}</p>
    </div>
  );
}

export function Blank({
  title,
  text,
  children,
}: {
  title: string;
  text: string;
  children?: ReactNode;
}) {
  return (
    <div className={styles.center} role="status">
      <h1>{title}</h1>
      <p className={styles.soft}>{text}</p>
      {children}
    </div>
  );
}
