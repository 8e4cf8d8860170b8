/** Signing in with a password; a one-time link signs in without this page. */
import { type FormEvent, useState } from "react";
import { api, isStatus } from "../api/client";
import { wordsFor } from "../api/errors";
import { app, useApp } from "../store/app";
import { t } from "../strings";
import styles from "./signin.module.css";
import { Button } from "./ui/controls";
import { Mark } from "./ui/Mark";

export function SignIn() {
  const expired = useApp((state) => state.expired);
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await api.login(email.trim(), password);
      await app.start();
    } catch (reason) {
      setError(isStatus(reason, 401) ? t.signIn.wrong : wordsFor(reason));
    } finally {
      setBusy(false);
    }
  };
  return (
    <main className={styles.page}>
      <div className={styles.box}>
        <Mark className={styles.mark} />
        <h1 className={styles.title}>{t.signIn.title}</h1>
        <p className={styles.lead}>{expired ? t.signIn.again : t.signIn.lead}</p>
        <form className={styles.form} onSubmit={(event) => void submit(event)}>
          <label className={styles.field}>
            {t.signIn.email}
            <input
              type="email"
              name="email"
              autoComplete="username"
              required
              value={email}
              onChange={(event) => setEmail(event.target.value)}
            />
          </label>
          <label className={styles.field}>
            {t.signIn.password}
            <input
              type="password"
              name="password"
              autoComplete="current-password"
              required
              value={password}
              onChange={(event) => setPassword(event.target.value)}
            />
          </label>
          {error ? (
            <p className={styles.error} role="alert">
              {error}
            </p>
          ) : null}
          <Button type="submit" tone="primary" disabled={busy}>
            {busy ? t.signIn.busy : t.signIn.submit}
          </Button>
        </form>
        <section className={styles.link}>
          <h2>{t.signIn.linkTitle}</h2>
          <p>
            {t.signIn.link} <code>{t.signIn.linkCommand}</code>. {t.signIn.linkAfter}
          </p>
        </section>
      </div>
    </main>
  );
}
