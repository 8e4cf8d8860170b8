/** Lines above the conversation: trouble with the connection, and that answers are scripted. */
import { CloudOff, FlaskConical, X } from "lucide-react";
import { useEffect, useState } from "react";
import type { Trouble } from "../../api/closing";
import type { Connection } from "../../api/socket";
import { useApp } from "../../store/app";
import { useController, useSession } from "../../store/session";
import { ui, useUi } from "../../store/ui";
import { t } from "../../strings";
import { Button, IconButton } from "../ui/controls";
import styles from "./header.module.css";

/** Shorter interruptions are nobody's concern. */
const PATIENCE_MS = 700;

export function ConnectionBanner() {
  const controller = useController();
  const connection = useSession((state) => state.connection);
  const { phase, trouble } = connection;
  const shown = useLasting(phase !== "live" && trouble !== null, PATIENCE_MS);
  useEffect(() => {
    if (!shown || !trouble) return;
    const say = trouble === "refused" ? t.live.refused : t.live.disconnected;
    ui.say(say(t.connection[trouble]), true);
  }, [shown, trouble]);
  useEffect(() => {
    if (shown) return () => ui.say(t.live.connected);
    return;
  }, [shown]);
  if (!shown || !trouble) return null;
  return (
    <div className={styles.banner} data-trouble={trouble}>
      <CloudOff size={16} aria-hidden="true" />
      <Words connection={connection} trouble={trouble} />
      {phase === "waiting" ? (
        <Button tone="quiet" onClick={() => controller.reconnect()}>
          {t.connection.now}
        </Button>
      ) : null}
      {trouble === "refused" ? (
        <Button tone="quiet" onClick={() => location.reload()}>
          {t.connection.reload}
        </Button>
      ) : null}
    </div>
  );
}

function Words({ connection, trouble }: { connection: Connection; trouble: Trouble }) {
  const { phase, retryAt, reason } = connection;
  const unsent = useSession((state) => state.outbox.length > 0);
  if (trouble === "refused") {
    return (
      <p>
        <strong>{t.connection.refused}</strong>. {reason} {unsent ? t.connection.keptHere : null}
      </p>
    );
  }
  return (
    <p>
      <strong>{t.connection[trouble]}</strong>
      {phase === "waiting" && retryAt !== null ? (
        <>
          {", "}
          <Countdown until={retryAt} />
        </>
      ) : null}
      . {unsent || trouble !== "slow" ? t.connection.kept : null}
    </p>
  );
}

function Countdown({ until }: { until: number }) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.max(0, Math.ceil((until - now) / 1000));
  return <span className="tabular">{t.connection.again(seconds)}</span>;
}

function useLasting(value: boolean, ms: number): boolean {
  const [lasting, setLasting] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLasting(value), value ? ms : 0);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return lasting && value;
}

export function ScriptedBanner() {
  const scripted = useApp((state) => state.me?.scripted_model ?? false);
  const hidden = useUi((state) => state.bannerHidden);
  if (!scripted || hidden) return null;
  return (
    <div className={`${styles.banner} ${styles.bannerSoft}`} data-scripted>
      <FlaskConical size={16} aria-hidden="true" />
      <p>
        <strong>{t.scripted.text}</strong> {t.scripted.more}
      </p>
      <IconButton icon={X} size={16} label={t.scripted.hide} onClick={() => ui.hideBanner(true)} />
    </div>
  );
}

/** What is left of the banner when it was put away: nobody takes a script for a model. */
export function ScriptedMark() {
  const scripted = useApp((state) => state.me?.scripted_model ?? false);
  const hidden = useUi((state) => state.bannerHidden);
  if (!scripted || !hidden) return null;
  return (
    <IconButton
      icon={FlaskConical}
      label={t.scripted.show}
      className={styles.scripted}
      data-scripted-mark
      onClick={() => ui.hideBanner(false)}
    />
  );
}
