/** One session: owns its controller for as long as it is shown. */
import { useEffect, useLayoutEffect, useState } from "react";
import { titleOf } from "../../fold/title";
import { navigate } from "../../lib/router";
import { SessionController } from "../../store/controller";
import { SessionContext, useController, useSession } from "../../store/session";
import { type Panel, ui, useUi } from "../../store/ui";
import { t } from "../../strings";
import { Conversation } from "../conversation/Conversation";
import { BranchesPanel } from "../panels/BranchesPanel";
import { FilesPanel } from "../panels/FilesPanel";
import { TasksPanel } from "../panels/TasksPanel";
import { Button } from "../ui/controls";
import { ErrorBoundary } from "../ui/ErrorBoundary";
import { Blank, Loading } from "../ui/states";
import { ConnectionBanner, ScriptedBanner } from "./Banners";
import { Dock } from "./Dock";
import { Header } from "./Header";
import styles from "./session.module.css";
import { useSessionShortcuts } from "./useSessionShortcuts";

export function SessionPage({ id }: { id: string }) {
  const [controller, setController] = useState<SessionController | null>(null);
  // Before the browser paints: a session that is loaded already is in the first frame.
  useLayoutEffect(() => {
    const next = new SessionController(id);
    setController(next);
    void next.open();
    return () => {
      next.close();
      ui.answer(null);
    };
  }, [id]);
  if (controller?.id !== id) return <Loading text={t.session.loading} />;
  return (
    <SessionContext value={controller}>
      <Loaded />
    </SessionContext>
  );
}

function Loaded() {
  const controller = useController();
  const load = useSession((state) => state.load);
  const error = useSession((state) => state.error);
  const home = (
    <Button tone="primary" onClick={() => navigate("/")}>
      {t.session.home}
    </Button>
  );
  switch (load) {
    case "loading":
      return <Loading text={t.session.loading} />;
    case "not_found":
      return (
        <Blank title={t.session.notFound} text={t.session.notFoundHint}>
          {home}
        </Blank>
      );
    case "deleted":
      return (
        <Blank title={t.session.deleted} text={t.session.deletedHint}>
          {home}
        </Blank>
      );
    case "failed":
      return (
        <Blank title={t.session.failed} text={error ?? ""}>
          <Button tone="primary" onClick={() => void controller.open()}>
            {t.session.retry}
          </Button>
        </Blank>
      );
    case "ready":
      return <Ready />;
  }
}

function Ready() {
  const panel = useUi((state) => state.panel);
  const focus = useUi((state) => state.focus);
  const title = useSession((state) => titleOf(state.view));
  const waiting = useSession((state) => state.view.pending.length > 0);
  const empty = useSession((state) => state.view.rows.length + state.outbox.length === 0);
  useSessionShortcuts();
  useEffect(() => {
    document.title = `${waiting ? "● " : ""}${title ?? t.app.untitled} – ${t.app.name}`;
    return () => {
      document.title = t.app.name;
    };
  }, [title, waiting]);
  return (
    <div className={styles.page} data-focus={focus}>
      <div className={styles.main}>
        <Header />
        <ConnectionBanner />
        <ScriptedBanner />
        <ErrorBoundary>
          {empty ? <Blank title={t.session.emptyTitle} text={t.session.empty} /> : <Conversation />}
        </ErrorBoundary>
        <Dock />
      </div>
      {panel === null ? null : (
        <aside className={styles.panel} aria-label={t[panel].title}>
          <ErrorBoundary>
            <PanelOf panel={panel} />
          </ErrorBoundary>
        </aside>
      )}
    </div>
  );
}

function PanelOf({ panel }: { panel: Panel }) {
  switch (panel) {
    case "files":
      return <FilesPanel />;
    case "tasks":
      return <TasksPanel />;
    case "branches":
      return <BranchesPanel />;
  }
}
