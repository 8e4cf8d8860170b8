/** A session as it came about: the conversation, and below it the controls that move through time. */
import { ArrowLeft, Play } from "lucide-react";
import { type ReactNode, useEffect, useMemo, useState } from "react";
import { useStore } from "zustand";
import { api } from "../../api/client";
import { SharedApi } from "../../api/shared";
import type { SharedSession } from "../../api/types";
import { dateTime } from "../../lib/format";
import { navigate } from "../../lib/router";
import { sessionPath } from "../../lib/routes";
import { PictureSource } from "../../store/pictures";
import { Playback } from "../../store/playback";
import { type LogReader, type LogSource, MOST_EVENTS } from "../../store/reader";
import { SessionContext } from "../../store/session";
import { t } from "../../strings";
import { Conversation } from "../conversation/Conversation";
import { Button, IconButton } from "../ui/controls";
import { Mark } from "../ui/Mark";
import { Blank, Loading } from "../ui/states";
import { Player } from "./Player";
import styles from "./replay.module.css";
import { useReader } from "./useReader";

export function ReplayPage({ id }: { id: string }) {
  const source = useMemo<LogSource>(
    () => ({
      head: () => api.session(id),
      after: (seq, limit) => api.eventsAfter(id, seq, limit),
    }),
    [id],
  );
  const reader = useReader(id, source);
  const back = (
    <IconButton icon={ArrowLeft} label={t.replay.back} onClick={() => navigate(sessionPath(id))} />
  );
  return (
    <Frame reader={reader} lead={back} note={t.replay.title}>
      {(ready) => <Replay reader={ready} />}
    </Frame>
  );
}

/** What a link shows: the whole conversation first, a replay of it for who wants one. */
export function SharedPage() {
  const token = useHash();
  const shared = useMemo(() => new SharedApi(token), [token]);
  const [head, setHead] = useState<SharedSession | null>(null);
  const [replaying, setReplaying] = useState(false);
  const source = useMemo<LogSource>(
    () => ({
      head: async () => {
        const found = await shared.head();
        setHead(found);
        return found;
      },
      after: (seq, limit) => shared.events(seq, limit),
    }),
    [shared],
  );
  const reader = useReader(token, source);
  const picture = useMemo(() => (fileId: string) => shared.picture(fileId), [shared]);
  const until = head === null ? "" : ` · ${t.shared.until(dateTime(Date.parse(head.expires_at)))}`;
  const toggle = (
    <Button
      onClick={() => {
        if (replaying && reader) reader.show(reader.log.length);
        setReplaying(!replaying);
      }}
    >
      {replaying ? null : <Play size={16} aria-hidden="true" />}
      {replaying ? t.shared.whole : t.shared.replay}
    </Button>
  );
  return (
    <PictureSource value={picture}>
      <main className={styles.shared}>
        <Frame
          reader={reader}
          lead={<Mark className={styles.mark} />}
          note={t.shared.readOnly + until}
          trail={toggle}
          failed={{ title: t.shared.nothing, text: t.shared.nothingHint }}
        >
          {(ready) => (replaying ? <Replay reader={ready} /> : <Conversation />)}
        </Frame>
      </main>
    </PictureSource>
  );
}

interface FrameProps {
  readonly reader: LogReader | null;
  readonly lead: ReactNode;
  readonly note: string;
  readonly trail?: ReactNode;
  readonly failed?: { readonly title: string; readonly text: string };
  readonly children: (reader: LogReader) => ReactNode;
}

function Frame(props: FrameProps) {
  if (props.reader === null) return <Loading text={t.replay.loading} />;
  return <Opened {...props} reader={props.reader} />;
}

function Opened({
  reader,
  lead,
  note,
  trail,
  failed,
  children,
}: FrameProps & { reader: LogReader }) {
  const load = useStore(reader.store, (state) => state.load);
  const error = useStore(reader.store, (state) => state.error);
  const title = reader.title ?? t.app.untitled;
  useEffect(() => {
    if (load !== "ready") return;
    document.title = `${title} – ${t.app.name}`;
    return () => {
      document.title = t.app.name;
    };
  }, [load, title]);
  if (load === "failed") {
    return <Blank title={failed?.title ?? t.replay.failed} text={failed?.text ?? error ?? ""} />;
  }
  if (load !== "ready") return <Loading text={t.replay.loading} />;
  return (
    <SessionContext value={reader}>
      <div className={styles.page}>
        <header className={styles.header}>
          {lead}
          <div className={styles.heading}>
            <h1>{title}</h1>
            <p>{note}</p>
          </div>
          {trail}
        </header>
        {reader.base > 0 ? <p className={styles.partly}>{t.replay.partly(MOST_EVENTS)}</p> : null}
        {children(reader)}
      </div>
    </SessionContext>
  );
}

function Replay({ reader }: { reader: LogReader }) {
  const [playback, setPlayback] = useState<Playback | null>(null);
  useEffect(() => {
    const next = new Playback(reader.log, (count) => reader.show(count));
    setPlayback(next);
    return () => next.pause();
  }, [reader]);
  const nothing = useStore(reader.store, (state) => state.view.rows.length === 0);
  if (playback === null) return null;
  return (
    <>
      {nothing ? <Blank title={t.replay.title} text={t.replay.begin} /> : <Conversation />}
      <Player playback={playback} events={reader.log} />
    </>
  );
}

function useHash(): string {
  const [hash, setHash] = useState(() => location.hash.slice(1));
  useEffect(() => {
    const onHash = () => setHash(location.hash.slice(1));
    window.addEventListener("hashchange", onHash);
    return () => window.removeEventListener("hashchange", onHash);
  }, []);
  return hash;
}
