/** The person's sessions: searched, grouped by day, with their state at a glance. */
import { PanelLeftClose, Plus, Search } from "lucide-react";
import { useEffect, useState } from "react";
import { type Entry, sessions, useSessions } from "../../store/sessions";
import { ui } from "../../store/ui";
import { t } from "../../strings";
import { Button, IconButton, Spinner } from "../ui/controls";
import { Mark } from "../ui/Mark";
import { follow } from "./follow";
import { SessionEntry } from "./SessionEntry";
import styles from "./sidebar.module.css";

export const SEARCH_ID = "search-sessions";

export function Sidebar({ current }: { current: string | null }) {
  const archived = useSessions((state) => state.archived);
  useEffect(() => sessions.watch(), []);
  return (
    <nav className={styles.sidebar} aria-label={t.sidebar.label}>
      <div className={styles.brand}>
        <a href="/" onClick={follow("/")}>
          <Mark className={styles.mark} /> {t.app.name}
        </a>
        <IconButton icon={PanelLeftClose} label={t.sidebar.close} onClick={ui.toggleSidebar} />
      </div>
      <div className={styles.top}>
        <a className={styles.new} href="/" onClick={follow("/")}>
          <Plus size={18} aria-hidden="true" /> {t.sidebar.new}
        </a>
        <SearchField />
      </div>
      <div className={styles.list}>
        <List current={current} />
      </div>
      <div className={styles.foot}>
        <label className={styles.check}>
          <input
            type="checkbox"
            checked={archived}
            onChange={(event) => sessions.showArchived(event.target.checked)}
          />
          {t.sidebar.archived}
        </label>
      </div>
    </nav>
  );
}

function SearchField() {
  const [text, setText] = useState(() => useSessions.getState().search);
  useEffect(() => {
    if (text === useSessions.getState().search) return;
    const timer = setTimeout(() => sessions.search(text.trim()), 200);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <div className={styles.searchBox}>
      <Search size={16} aria-hidden="true" />
      <input
        id={SEARCH_ID}
        type="search"
        className={styles.search}
        value={text}
        aria-label={t.sidebar.search}
        placeholder={t.sidebar.search}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => event.key === "Escape" && setText("")}
      />
    </div>
  );
}

function List({ current }: { current: string | null }) {
  const entries = useSessions((state) => state.entries);
  const status = useSessions((state) => state.status);
  const search = useSessions((state) => state.search);
  const next = useSessions((state) => state.next);
  if (status === "loading") {
    return (
      <div aria-hidden="true">
        {[78, 56, 88, 64].map((width) => (
          <div key={width} className={styles.skeleton} style={{ width: `${width}%` }} />
        ))}
      </div>
    );
  }
  if (status === "failed") {
    return (
      <div className={styles.empty} role="alert">
        <p>{t.sidebar.failed}</p>
        <Button onClick={() => void sessions.refresh()}>{t.sidebar.retry}</Button>
      </div>
    );
  }
  if (entries.length === 0) {
    return <p className={styles.empty}>{search ? t.sidebar.noneFound(search) : t.sidebar.none}</p>;
  }
  return (
    <>
      {groups(entries, Date.now()).map(({ name, members }) => (
        <section key={name} aria-label={name}>
          <h2 className={styles.group}>{name}</h2>
          <ul>
            {members.map((entry) => (
              <SessionEntry key={entry.id} entry={entry} isCurrent={entry.id === current} />
            ))}
          </ul>
        </section>
      ))}
      {next ? <More /> : null}
    </>
  );
}

function More() {
  const more = useSessions((state) => state.more);
  return (
    <div className={styles.more}>
      {more === "failed" ? <p role="alert">{t.sidebar.moreFailed}</p> : null}
      <Button tone="quiet" disabled={more === "loading"} onClick={() => void sessions.more()}>
        {more === "loading" ? <Spinner /> : null}
        {more === "failed" ? t.sidebar.retry : t.sidebar.more}
      </Button>
    </div>
  );
}

interface Group {
  readonly name: string;
  readonly members: Entry[];
}

function groups(entries: readonly Entry[], now: number): readonly Group[] {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const day = 86_400_000;
  const nameOf = (at: number) => {
    if (at >= midnight) return t.sidebar.today;
    if (at >= midnight - day) return t.sidebar.yesterday;
    return at >= midnight - 6 * day ? t.sidebar.week : t.sidebar.older;
  };
  const found = new Map<string, Entry[]>();
  for (const entry of entries) {
    const name = nameOf(Date.parse(entry.last_event_at));
    const members = found.get(name);
    if (members) members.push(entry);
    else found.set(name, [entry]);
  }
  return [...found].map(([name, members]) => ({ name, members }));
}
