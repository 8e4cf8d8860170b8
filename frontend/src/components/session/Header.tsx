/** The session's title, state, use and tools. */
import { FolderOpen, GitFork, Layers, Maximize2, Minimize2, PanelLeft } from "lucide-react";
import { useState } from "react";
import { wordsFor } from "../../api/errors";
import { titleOf } from "../../fold/title";
import { useSession } from "../../store/session";
import { sessions } from "../../store/sessions";
import { ui, useUi } from "../../store/ui";
import { t } from "../../strings";
import { IconButton } from "../ui/controls";
import { ScriptedMark } from "./Banners";
import styles from "./header.module.css";
import { SessionMenu } from "./SessionMenu";
import { UsageButton } from "./UsageButton";

export function Header() {
  const panel = useUi((state) => state.panel);
  const focus = useUi((state) => state.focus);
  const running = useSession(
    (state) => state.view.tasks.filter((task) => isRunning(task.status)).length,
  );
  const hasTasks = useSession((state) => state.view.tasks.length > 0);
  return (
    <header className={styles.header}>
      {focus ? null : (
        <IconButton
          icon={PanelLeft}
          label={t.sidebar.open}
          onClick={ui.toggleSidebar}
          data-opens-sidebar
        />
      )}
      <div className={styles.titleBox}>
        <Title />
        <State />
      </div>
      <ConnectionDot />
      <ScriptedMark />
      <UsageButton />
      {hasTasks ? (
        <span className={styles.badge}>
          <IconButton
            icon={Layers}
            label={t.header.tasks}
            aria-pressed={panel === "tasks"}
            onClick={() => ui.togglePanel("tasks")}
          />
          {running > 0 ? <span aria-hidden="true">{running}</span> : null}
        </span>
      ) : null}
      <IconButton
        className={styles.wide}
        icon={GitFork}
        label={t.header.branches}
        aria-pressed={panel === "branches"}
        onClick={() => ui.togglePanel("branches")}
      />
      <IconButton
        icon={FolderOpen}
        label={t.header.files}
        aria-pressed={panel === "files"}
        onClick={() => ui.togglePanel("files")}
      />
      <IconButton
        className={styles.wide}
        icon={focus ? Minimize2 : Maximize2}
        label={focus ? t.header.focusOff : t.header.focus}
        aria-pressed={focus}
        onClick={ui.toggleFocus}
      />
      <SessionMenu />
    </header>
  );
}

function isRunning(status: string): boolean {
  return status === "started" || status === "progress";
}

function Title() {
  const id = useSession((state) => state.id);
  const title = useSession((state) => titleOf(state.view)) ?? t.app.untitled;
  const [draft, setDraft] = useState<string | null>(null);
  const save = () => {
    const next = draft?.trim();
    setDraft(null);
    if (!next || next === title) return;
    sessions.rename(id, next).catch((error: unknown) => ui.complain(wordsFor(error)));
  };
  if (draft === null) {
    return (
      <h1 className={styles.title}>
        <button
          type="button"
          className={styles.rename}
          title={t.header.rename}
          onClick={() => setDraft(title)}
        >
          {title}
        </button>
      </h1>
    );
  }
  return (
    <input
      className={styles.input}
      value={draft}
      maxLength={200}
      aria-label={t.sidebar.renameLabel}
      // biome-ignore lint/a11y/noAutofocus: the person has just asked to rename this
      autoFocus
      onFocus={(event) => event.target.select()}
      onChange={(event) => setDraft(event.target.value)}
      onBlur={save}
      onKeyDown={(event) => {
        if (event.key === "Enter") save();
        if (event.key === "Escape") setDraft(null);
      }}
    />
  );
}

function State() {
  const state = useSession(({ view }) => (view.pending.length > 0 ? "waiting" : view.state));
  return (
    <span className={styles.state} data-session-state={state}>
      <span className={styles.dot} data-state={state} aria-hidden="true" />
      <span className={styles.words}>{t.states[state]}</span>
    </span>
  );
}

/** Always there, so that nobody has to guess; words come with trouble (ConnectionBanner). */
function ConnectionDot() {
  const phase = useSession((state) => state.connection.phase);
  const label = phase === "waiting" ? t.connection.lost : t.connection[phase];
  return (
    <span className={`${styles.state} ${styles.connection} ${styles.wide}`} data-connection={phase}>
      <span className={styles.dot} data-phase={phase} aria-hidden="true" />
      {label}
    </span>
  );
}
