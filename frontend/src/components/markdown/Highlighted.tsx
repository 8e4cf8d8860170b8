/** Code in colours. The highlighter is a chunk of its own, loaded when the first code is drawn. */
import type { ElementContent } from "hast";
import { Fragment, type ReactNode, useDeferredValue, useEffect, useMemo, useState } from "react";
import { drawn } from "../../lib/moments";
import type { Highlighter } from "./highlighter";

/** Longer code stays plain: colours of a whole log would cost more than they tell. */
const MAX_LENGTH = 20_000;

let loaded: Highlighter | null = null;
let loading: Promise<Highlighter> | null = null;

function load(): Promise<Highlighter> {
  loading ??= drawn()
    .then(() => import("./highlighter"))
    .then((module) => {
      loaded = module.highlight;
      return loaded;
    });
  return loading;
}

export function Highlighted({ code, language }: { code: string; language: string | null }) {
  const [highlight, setHighlight] = useState<Highlighter | null>(() => loaded);
  const wanted = language !== null && code.length <= MAX_LENGTH;
  useEffect(() => {
    if (!wanted || highlight) return;
    let current = true;
    void load().then((ready) => current && setHighlight(() => ready));
    return () => {
      current = false;
    };
  }, [wanted, highlight]);
  const settled = useDeferredValue(code);
  const tree = useMemo(
    () => (wanted && highlight ? highlight(settled, language) : null),
    [wanted, highlight, settled, language],
  );
  // While colours lag behind growing text, the rest is shown plain.
  return tree ? (
    <>
      {tree.map(toElement)}
      {code.startsWith(settled) ? code.slice(settled.length) : null}
    </>
  ) : (
    code
  );
}

function toElement(node: ElementContent, key: number): ReactNode {
  if (node.type === "text") return node.value;
  if (node.type !== "element") return null;
  const names = node.properties["className"];
  const className = Array.isArray(names) ? names.join(" ") : undefined;
  const inner = node.children.map(toElement);
  return className ? (
    <span key={key} className={className}>
      {inner}
    </span>
  ) : (
    <Fragment key={key}>{inner}</Fragment>
  );
}
