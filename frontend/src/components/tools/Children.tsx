/** What a helper does, under the call that started it. The latest steps; earlier ones on demand. */
import { useState } from "react";
import { useItem } from "../../store/session";
import { t } from "../../strings";
import { Answer } from "../conversation/Answer";
import { Thinking } from "../conversation/Thinking";
import styles from "./details.module.css";
import { ToolCard } from "./ToolCard";

const FEW = 12;
const STEP = 40;

export function Children({ ids }: { ids: readonly string[] }) {
  const [count, setCount] = useState(FEW);
  if (ids.length === 0) return null;
  const hidden = Math.max(0, ids.length - count);
  return (
    <div className={styles.children}>
      {hidden > 0 ? (
        <button type="button" className={styles.more} onClick={() => setCount(count + STEP)}>
          {t.tool.earlierSteps(hidden)}
        </button>
      ) : null}
      {ids.slice(hidden).map((id) => (
        <Child key={id} id={id} />
      ))}
    </div>
  );
}

function Child({ id }: { id: string }) {
  const item = useItem(id);
  switch (item?.kind) {
    case "answer":
      return <Answer item={item} />;
    case "thinking":
      return <Thinking item={item} />;
    case "tool":
      return <ToolCard item={item} />;
    default:
      return null;
  }
}
