/** Two branches side by side, from where they part. On narrow screens one below the other. */
import { ArrowLeft } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { useStore } from "zustand";
import { api } from "../../api/client";
import { wordsFor } from "../../api/errors";
import type { Branch } from "../../api/types";
import { branchName, commonEvents } from "../../fold/family";
import { navigate } from "../../lib/router";
import { sessionPath } from "../../lib/routes";
import type { LogSource } from "../../store/reader";
import { SessionContext } from "../../store/session";
import { t } from "../../strings";
import { Conversation } from "../conversation/Conversation";
import { follow } from "../sidebar/follow";
import { IconButton } from "../ui/controls";
import { Blank, Loading } from "../ui/states";
import styles from "./replay.module.css";
import { useReader } from "./useReader";

export function ComparePage({ id, other }: { id: string; other: string }) {
  const [family, setFamily] = useState<readonly Branch[] | null>(null);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    api.branches(id).then(setFamily, (reason: unknown) => setError(wordsFor(reason)));
  }, [id]);
  useEffect(() => {
    document.title = `${t.compare.title} – ${t.app.name}`;
    return () => {
      document.title = t.app.name;
    };
  }, []);
  const one = family?.find((branch) => branch.id === id);
  const two = family?.find((branch) => branch.id === other);
  if (error !== null || (family && !(one && two))) {
    return <Blank title={t.compare.failed} text={error ?? t.session.notFoundHint} />;
  }
  if (!one || !two || !family) return <Loading text={t.session.loading} />;
  const length = (branch: string) => family.find(({ id: known }) => known === branch)?.seq ?? 0;
  const common = commonEvents(family, id, other, length);
  return (
    <div className={styles.page}>
      <header className={styles.header}>
        <IconButton
          icon={ArrowLeft}
          label={t.compare.back}
          onClick={() => navigate(sessionPath(id))}
        />
        <div className={styles.heading}>
          <h1>{t.compare.title}</h1>
          <p>{t.compare.common(common)}</p>
        </div>
      </header>
      <div className={styles.columns}>
        <Column branch={one} from={common} />
        <Column branch={two} from={common} />
      </div>
    </div>
  );
}

function Column({ branch, from }: { branch: Branch; from: number }) {
  const title = branchName(branch);
  const source = useMemo<LogSource>(
    () => ({
      head: async () => ({ seq: branch.seq, title: branch.title }),
      after: (seq, limit) => api.eventsAfter(branch.id, seq, limit),
    }),
    [branch],
  );
  const reader = useReader(branch.id, source, from);
  return (
    <section className={styles.column} aria-label={title} data-compared={branch.id}>
      <div className={styles.columnHead}>
        <h2>{title}</h2>
        <a href={sessionPath(branch.id)} onClick={follow(sessionPath(branch.id))}>
          {t.compare.open}
        </a>
      </div>
      {reader === null ? (
        <Loading text={t.session.loading} />
      ) : (
        <SessionContext value={reader}>
          <Rows reader={reader} from={from} />
        </SessionContext>
      )}
    </section>
  );
}

function Rows({
  reader,
  from,
}: {
  reader: NonNullable<ReturnType<typeof useReader>>;
  from: number;
}) {
  const load = useStore(reader.store, (state) => state.load);
  const rows = useStore(reader.store, (state) => state.view.rows.length);
  if (load === "failed") return <p className={styles.nothing}>{t.compare.failed}</p>;
  if (load !== "ready") return <Loading text={t.session.loading} />;
  if (rows === 0) return <p className={styles.nothing}>{t.compare.same}</p>;
  return (
    <>
      {reader.base > from ? <p className={styles.partly}>{t.compare.longer}</p> : null}
      <Conversation />
    </>
  );
}
