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
import { routeOf } from "./lib/router";
import { app } from "./store/app";
import { preload } from "./store/preload";

// All that the address needs is asked for at once, before anything is drawn.
const route = routeOf(location.pathname);
preload(route);
if (route.page !== "shared") app.begin();
loadPage(route);
const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
