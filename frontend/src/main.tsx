import "@fontsource-variable/hanken-grotesk/wght.css";
import "@fontsource-variable/hanken-grotesk/wght-italic.css";
import "@fontsource-variable/jetbrains-mono/wght.css";
import "@fontsource-variable/newsreader/wght.css";
import "./styles/tokens.css";
import "./styles/base.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./components/App";
import { loadPage } from "./components/pages";
import { routeOf } from "./lib/routes";
import { app } from "./store/app";
import { preload } from "./store/preload";

/** What takes longer than this is not waited for: the page says that it loads. */
const PATIENCE_MS = 400;

const route = routeOf(location.pathname);
const needed = [preload(route), loadPage(route), ...(route.page === "shared" ? [] : [app.begin()])];
// Drawn once, with all that the address needs: each drawing that says "wait" delays what comes.
void Promise.race([
  Promise.all(needed),
  new Promise((resolve) => setTimeout(resolve, PATIENCE_MS)),
]).then(draw);

function draw(): void {
  const root = document.getElementById("root");
  if (!root) throw new Error("index.html has no #root");
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
