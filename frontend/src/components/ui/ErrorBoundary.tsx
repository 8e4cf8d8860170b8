/** A part that breaks is replaced by words and a way on; the rest of the page stays. */
import { Component, type ReactNode } from "react";
import { t } from "../../strings";
import { Button } from "./controls";
import styles from "./states.module.css";

interface Props {
  readonly children: ReactNode;
  /** The whole page is inside: only loading it again helps. */
  readonly whole?: boolean;
}

export class ErrorBoundary extends Component<Props, { readonly broken: boolean }> {
  override state = { broken: false };

  static getDerivedStateFromError() {
    return { broken: true };
  }

  override render() {
    if (!this.state.broken) return this.props.children;
    const { whole } = this.props;
    return (
      <div className={whole ? styles.center : styles.broken} role="alert">
        <p className={styles.strong}>{t.errors.boundaryTitle}</p>
        <p className={styles.soft}>{t.errors.boundaryText}</p>
        <p className={styles.actions}>
          {whole ? null : (
            <Button onClick={() => this.setState({ broken: false })}>
              {t.errors.boundaryRetry}
            </Button>
          )}
          <Button tone={whole ? "primary" : "quiet"} onClick={() => location.reload()}>
            {t.errors.reload}
          </Button>
        </p>
      </div>
    );
  }
}
