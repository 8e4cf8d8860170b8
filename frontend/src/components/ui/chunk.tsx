/**
 * A component whose code is loaded when it is needed. Not React's `lazy`: once a fallback was shown,
 * React holds back what replaces it for 300 ms, and that would be the longest part of opening a page.
 */
import { type ComponentType, type FunctionComponent, useEffect, useState } from "react";
import { t } from "../../strings";
import { Loading } from "./states";

export type Chunk<Props> = FunctionComponent<Props> & {
  /** Loads the code ahead. What fails here is told by whoever shows it, and tried again there. */
  readonly load: () => Promise<void>;
};

/** The component that `fetch` gives; a spinner before, the error boundary when it cannot be had. */
export function chunk<Props extends object>(
  fetch: () => Promise<ComponentType<Props>>,
): Chunk<Props> {
  let loaded: ComponentType<Props> | null = null;
  let loading: Promise<ComponentType<Props>> | null = null;

  const get = () => {
    loading ??= fetch().then(
      (component) => {
        loaded = component;
        return component;
      },
      (error: unknown) => {
        loading = null;
        throw error;
      },
    );
    return loading;
  };

  function Loaded(props: Props) {
    const [Component, setComponent] = useState(() => loaded);
    const [failure, setFailure] = useState<{ readonly error: unknown } | null>(null);
    useEffect(() => {
      if (Component) return;
      let shown = true;
      get().then(
        (component) => shown && setComponent(() => component),
        (error: unknown) => shown && setFailure({ error }),
      );
      return () => {
        shown = false;
      };
    }, [Component]);
    if (failure) throw failure.error;
    return Component ? <Component {...props} /> : <Loading text={t.session.loading} />;
  }

  return Object.assign(Loaded, {
    load: async () => {
      await get().catch(() => undefined);
    },
  });
}
