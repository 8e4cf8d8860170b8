/** How this person likes the page; kept in the browser. And what lies over it: panels, toasts. */
import { create } from "zustand";
import { persist } from "zustand/middleware";
import { UI_KEY } from "../lib/names";
import { type Toast, withToast } from "./toasts";

export type Theme = "system" | "light" | "dark";
export type Panel = "files" | "tasks" | "branches";

interface UiState {
  readonly theme: Theme;
  readonly sidebar: boolean;
  readonly singleKeys: boolean;
  readonly focus: boolean;
  readonly bannerHidden: boolean;
  /** Over the page on narrow screens; never remembered. */
  readonly drawer: boolean;
  readonly panel: Panel | null;
  readonly shortcuts: boolean;
  /** The open question whose denial or input is being written. */
  readonly answering: { readonly id: string; readonly mode: "deny" | "edit" } | null;
  readonly toasts: readonly Toast[];
  readonly polite: string;
  readonly assertive: string;
}

export const useUi = create<UiState>()(
  persist(
    (): UiState => ({
      theme: "system",
      sidebar: true,
      singleKeys: true,
      focus: false,
      bannerHidden: false,
      drawer: false,
      panel: null,
      shortcuts: false,
      answering: null,
      toasts: [],
      polite: "",
      assertive: "",
    }),
    {
      name: UI_KEY,
      storage: {
        // Not wrapped as the library would: the theme is read before the first paint.
        getItem: (name) => {
          const raw = localStorage.getItem(name);
          return raw ? { state: JSON.parse(raw) as UiState } : null;
        },
        setItem: (name, value) => {
          try {
            localStorage.setItem(name, JSON.stringify(value.state));
          } catch {
            // A full or blocked storage: what was chosen lasts as long as this page.
          }
        },
        removeItem: (name) => localStorage.removeItem(name),
      },
      partialize: ({ theme, sidebar, singleKeys }) => ({ theme, sidebar, singleKeys }) as UiState,
    },
  ),
);

const set = useUi.setState;
let lastToast = 0;

const SPEAK_MS = 5000;
const silence: Partial<Record<"polite" | "assertive", ReturnType<typeof setTimeout>>> = {};

function show(toast: Omit<Toast, "id">): void {
  lastToast += 1;
  const added = { ...toast, id: lastToast };
  set((state) => ({ toasts: withToast(state.toasts, added) }));
}

export const ui = {
  setTheme(theme: Theme) {
    set({ theme });
    if (theme === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme;
  },
  toggleSidebar: () => set((state) => ({ sidebar: !state.sidebar, drawer: !state.drawer })),
  closeDrawer: () => set({ drawer: false }),
  toggleFocus: () => set((state) => ({ focus: !state.focus })),
  togglePanel: (panel: Panel) => set((state) => ({ panel: state.panel === panel ? null : panel })),
  closePanel: () => set({ panel: null }),
  showShortcuts: (shortcuts: boolean) => set({ shortcuts }),
  answer: (answering: UiState["answering"]) => set({ answering }),
  setSingleKeys: (singleKeys: boolean) => set({ singleKeys }),
  hideBanner: (bannerHidden: boolean) => set({ bannerHidden }),
  /** Says something in passing. */
  toast: (text: string, action?: Toast["action"]) =>
    show({ kind: "note", text, ...(action ? { action } : {}) }),
  /** Says what went wrong: it stays until the person has read it. */
  complain: (text: string) => show({ kind: "error", text }),
  closeToast: (id: number) =>
    set((state) => ({ toasts: state.toasts.filter((toast) => toast.id !== id) })),
  /** Says something to people who listen to the page. */
  say(text: string, urgent = false) {
    const region = urgent ? "assertive" : "polite";
    set({ [region]: text });
    // Emptied again, so that the same words are heard when they are said a second time.
    clearTimeout(silence[region]);
    silence[region] = setTimeout(() => set({ [region]: "" }), SPEAK_MS);
  },
};
