/** Lines above the conversation: trouble with the connection, and that answers are scripted. */
import { CloudOff, FlaskConical, X } from "lucide-react";
import { useEffect, useState } from "react";
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
  const unsent = useSession((state) => state.outbox.length > 0);
  const bad = connection.phase !== "live" && connection.trouble !== null;
  const shown = useLasting(bad, PATIENCE_MS);
  useEffect(() => {
    if (!shown) return;
    ui.say(t.live.disconnected, true);
    return () => ui.say(t.live.connected);
  }, [shown]);
  if (!shown || !connection.trouble) return null;
  return (
    <div className={styles.banner} data-trouble={connection.trouble}>
      <CloudOff size={16} aria-hidden="true" />
      <p>
        <strong>{t.connection[connection.trouble]}</strong>
        {connection.phase === "waiting" && connection.retryAt !== null ? (
          <>
            {", "}
            <Countdown until={connection.retryAt} />
          </>
        ) : null}
        . {unsent || connection.trouble !== "slow" ? t.connection.kept : null}
      </p>
      {connection.phase === "waiting" ? (
        <Button tone="quiet" onClick={() => controller.reconnect()}>
          {t.connection.now}
        </Button>
      ) : null}
    </div>
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
      <IconButton icon={X} size={16} label={t.scripted.hide} onClick={ui.hideBanner} />
    </div>
  );
}
