/** Links to the session: made, listed, revoked. */
import { useEffect, useState } from "react";
import { api } from "../../api/client";
import { wordsFor } from "../../api/errors";
import type { Share } from "../../api/types";
import { dateTime } from "../../lib/format";
import { t } from "../../strings";
import { Button, CopyButton } from "../ui/controls";
import { Dialog, overlayStyles } from "../ui/overlay";
import styles from "./share.module.css";

interface Props {
  readonly id: string;
  readonly open: boolean;
  readonly onClose: () => void;
}

export function ShareDialog({ id, open, onClose }: Props) {
  return (
    <Dialog open={open} onClose={onClose} title={t.share.title}>
      <p className={overlayStyles.text}>{t.share.text}</p>
      <Links id={id} />
    </Dialog>
  );
}

const HOURS = [24, 168, 720] as const;

function Links({ id }: { id: string }) {
  const [links, setLinks] = useState<readonly Share[] | null>(null);
  const [made, setMade] = useState<string | null>(null);
  const [hours, setHours] = useState<(typeof HOURS)[number]>(168);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const fail = (reason: unknown) => setError(wordsFor(reason));
  useEffect(() => {
    api.shares(id).then(setLinks, () => setError(t.share.failed));
  }, [id]);
  const make = async () => {
    setBusy(true);
    setError(null);
    try {
      const { url, ...link } = await api.createShare(id, hours);
      setMade(url);
      setLinks([link, ...(links ?? [])]);
    } catch (reason) {
      fail(reason);
    }
    setBusy(false);
  };
  const revoke = (share: Share) =>
    api.revokeShare(id, share.id).then((revoked) => {
      setLinks((links ?? []).map((link) => (link.id === revoked.id ? revoked : link)));
      setMade(null);
    }, fail);
  return (
    <>
      <fieldset className={styles.make}>
        <legend>{t.share.ends}</legend>
        <div className={styles.choices}>
          {HOURS.map((value) => (
            <label key={value} className={styles.choice}>
              <input
                type="radio"
                name="share-hours"
                checked={hours === value}
                onChange={() => setHours(value)}
              />
              {t.share.choices[value]}
            </label>
          ))}
        </div>
        <Button tone="primary" disabled={busy} onClick={() => void make()}>
          {busy ? t.share.making : t.share.make}
        </Button>
      </fieldset>
      {made === null ? null : <Made url={made} />}
      {error === null ? null : (
        <p className={styles.error} role="alert">
          {error}
        </p>
      )}
      {links !== null && links.length > 0 ? (
        <>
          <h3 className={styles.heading}>{t.share.existing}</h3>
          <ul className={styles.list}>
            {links.map((link) => (
              <Entry key={link.id} link={link} onRevoke={() => void revoke(link)} />
            ))}
          </ul>
        </>
      ) : null}
    </>
  );
}

function Made({ url }: { url: string }) {
  return (
    <div className={styles.made}>
      <input
        readOnly
        aria-label={t.share.link}
        value={url}
        onFocus={(event) => event.target.select()}
      />
      <CopyButton text={() => url} label={t.share.copy} />
      <p>{t.share.once}</p>
    </div>
  );
}

function Entry({ link, onRevoke }: { link: Share; onRevoke: () => void }) {
  const over = link.revoked_at !== null || Date.parse(link.expires_at) < Date.now();
  const end =
    link.revoked_at !== null
      ? t.share.revoked
      : over
        ? t.share.expired
        : t.share.until(dateTime(Date.parse(link.expires_at)));
  return (
    <li className={styles.entry} data-over={over} data-share={link.id}>
      <span className={styles.hint}>{link.hint}</span>
      <span className={styles.facts}>
        {end} · {t.share.opened(link.opened)}
      </span>
      {over ? null : (
        <Button tone="quiet" aria-label={t.share.revokeNamed(link.hint)} onClick={onRevoke}>
          {t.share.revoke}
        </Button>
      )}
    </li>
  );
}
