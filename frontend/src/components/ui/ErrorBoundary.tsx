/** A part that breaks is replaced by words and a way on; the rest of the page stays. */
import { Component, type ReactNode } from "react";
import { t } from "../../strings";
import { Button } from "./controls";
import styles from "./states.module.css";

interface Props {
  readonly children: ReactNode;
  /** The whole page is inside: offer to load it again. */
  readonly whole?: boolean;
}

export class ErrorBoundary extends Component<Props, { readonly broken: boolean }> {
  override state = { broken: false };

  static getDerivedStateFromError() {
    return { broken: true };
  }

  override render() {
    if (!this.state.broken) return this.props.children;
    const again = () => (this.props.whole ? location.reload() : this.setState({ broken: false }));
    return (
      <div className={this.props.whole ? styles.center : styles.broken} role="alert">
        <p className={styles.strong}>{t.errors.boundaryTitle}</p>
        <p className={styles.soft}>{t.errors.boundaryText}</p>
        <Button onClick={again}>
          {this.props.whole ? t.errors.reload : t.errors.boundaryRetry}
        </Button>
      </div>
    );
  }
}
