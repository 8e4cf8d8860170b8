/** The page: who is there decides what is shown, the address decides which session. */
import { useEffect, useState } from "react";
import { isTyping } from "../lib/keys";
import { navigate, usePath } from "../lib/router";
import { type Route, routeOf } from "../lib/routes";
import { app, useApp } from "../store/app";
import { ui, useUi } from "../store/ui";
import { t } from "../strings";
import styles from "./app.module.css";
import { Home } from "./home/Home";
import { ComparePage, ReplayPage, SharedPage } from "./pages";
import { Shortcuts } from "./Shortcuts";
import { SignIn } from "./SignIn";
import { SessionPage } from "./session/SessionPage";
import { SEARCH_ID, Sidebar } from "./sidebar/Sidebar";
import { LiveRegions, Toasts } from "./Toasts";
import { Button } from "./ui/controls";
import { ErrorBoundary } from "./ui/ErrorBoundary";
import { MenuHost } from "./ui/overlay";
import { Blank, Loading } from "./ui/states";

const RETRY_MS = 3000;
const MAIN_ID = "main";

export function App() {
  return (
    <ErrorBoundary whole>
      <Everybody />
      <Toasts />
      <LiveRegions />
    </ErrorBoundary>
  );
}

/** What a link shows is for whoever has it, signed in or not. */
function Everybody() {
  if (routeOf(usePath()).page !== "shared") return <Page />;
  return <SharedPage />;
}

function Page() {
  const status = useApp((state) => state.status);
  useEffect(() => void app.begin(), []);
  useEffect(() => {
    if (status !== "unreachable") return;
    const timer = setInterval(() => void app.start(), RETRY_MS);
    return () => clearInterval(timer);
  }, [status]);
  switch (status) {
    case "loading":
      return <Loading text={t.boot.loading} />;
    case "unreachable":
      return (
        <Blank title={t.boot.unreachable} text={t.boot.unreachableHint}>
          <Button tone="primary" onClick={() => void app.start()}>
            {t.boot.now}
          </Button>
        </Blank>
      );
    case "signed_out":
      return <SignIn />;
    case "ready":
      return <Shell />;
  }
}

function Shell() {
  const route = routeOf(usePath());
  const sidebar = useUi((state) => state.sidebar);
  const drawer = useUi((state) => state.drawer);
  const focus = useUi((state) => state.focus);
  const [main, setMain] = useState<HTMLElement | null>(null);
  useGlobalShortcuts();
  return (
    <MenuHost value={main}>
      <div className={styles.shell} data-sidebar={sidebar && !focus} data-drawer={drawer}>
        <a className={styles.skip} href={`#${MAIN_ID}`}>
          {t.app.skip}
        </a>
        <div className={styles.side}>
          <ErrorBoundary>
            <Sidebar current={"id" in route ? route.id : null} />
          </ErrorBoundary>
        </div>
        {drawer ? (
          <button
            type="button"
            className={styles.scrim}
            aria-label={t.sidebar.close}
            onClick={ui.closeDrawer}
          />
        ) : null}
        <main ref={setMain} id={MAIN_ID} className={styles.main} tabIndex={-1}>
          <ErrorBoundary key={"id" in route ? `${route.page}${route.id}` : "home"}>
            <Content route={route} />
          </ErrorBoundary>
        </main>
        <Shortcuts />
      </div>
    </MenuHost>
  );
}

function Content({ route }: { route: Route }) {
  switch (route.page) {
    case "session":
      return <SessionPage key={route.id} id={route.id} />;
    case "replay":
      return <ReplayPage key={route.id} id={route.id} />;
    case "compare":
      return <ComparePage key={`${route.id}:${route.other}`} id={route.id} other={route.other} />;
    default:
      return <Home />;
  }
}

function useGlobalShortcuts(): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing) return;
      if (handle(event)) event.preventDefault();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}

function handle(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey) return false;
  if (event.key === "?" && !isTyping(event.target)) {
    ui.showShortcuts(true);
    return true;
  }
  if (event.key === "Escape" && useUi.getState().drawer) {
    ui.closeDrawer();
    return true;
  }
  return event.altKey && handleAlt(event.code);
}

function handleAlt(code: string): boolean {
  switch (code) {
    case "KeyC":
      navigate("/");
      return true;
    case "KeyK":
      if (!useUi.getState().sidebar) ui.toggleSidebar();
      requestAnimationFrame(() => document.getElementById(SEARCH_ID)?.focus());
      return true;
    case "KeyB":
      ui.toggleSidebar();
      return true;
    case "KeyF":
      ui.togglePanel("files");
      return true;
    case "KeyZ":
      ui.toggleFocus();
      return true;
    default:
      return false;
  }
}
