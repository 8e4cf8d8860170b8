/**
 * The conversation: only what is near the window is in the page, the end is followed unless the
 * person scrolls up, and earlier parts are loaded when they come near the top.
 */
import { ArrowDown } from "lucide-react";
import { memo, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { Virtualizer, type VirtualizerHandle } from "virtua";
import { rowsToFill } from "../../fold/tail";
import type { View } from "../../fold/view";
import { drawn } from "../../lib/moments";
import type { SessionController } from "../../store/controller";
import { useController, useSession } from "../../store/session";
import { t } from "../../strings";
import { Spinner } from "../ui/controls";
import styles from "./conversation.module.css";
import { Row, UnsentRow, WORKING, WorkingRow } from "./Row";
import { CONVERSATION_ID, onScrollRequest } from "./scrolling";

const NEAR_TOP = 900;
const NEAR_END = 64;
const UNSENT = "unsent:";
/** Room below the last row, so that it never touches the composer. */
const END = "end";

export function Conversation() {
  const controller = useController();
  const [keys, first] = useTailFirst(useKeys(), controller);
  const handle = useRef<VirtualizerHandle>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const stuck = useRef(true);
  const lastOffset = useRef(0);
  const [away, setAway] = useState(false);
  const shift = usePrepended(keys);
  const older = useSession((state) => state.older);

  const follow = useCallback(() => {
    const element = scroller.current;
    if (stuck.current && element) element.scrollTop = element.scrollHeight;
  }, []);

  const toEnd = useCallback(() => {
    stuck.current = true;
    controller.atEnd = true;
    setAway(false);
    follow();
  }, [controller, follow]);

  // The end is followed whenever the rows together, or the window, change their height.
  useLayoutEffect(() => {
    const element = scroller.current;
    const rows = element?.firstElementChild;
    if (!element || !rows) return;
    follow();
    const observer = new ResizeObserver(follow);
    observer.observe(rows);
    observer.observe(element);
    return () => observer.disconnect();
  }, [follow]);

  useEffect(
    () =>
      onScrollRequest((id) => {
        if (id === null) toEnd();
        else {
          stuck.current = false;
          handle.current?.scrollToIndex(keys.indexOf(id), { align: "center" });
        }
      }),
    [keys, toEnd],
  );

  const onScroll = (offset: number) => {
    const list = handle.current;
    if (!list) return;
    const atEnd = offset + list.viewportSize >= list.scrollSize - NEAR_END;
    // Growing text never moves the offset up; only a person does.
    if (atEnd) stuck.current = true;
    else if (offset < lastOffset.current - 2) stuck.current = false;
    lastOffset.current = offset;
    setAway(!stuck.current);
    controller.atEnd = stuck.current;
    if (offset < NEAR_TOP && !stuck.current) void controller.loadOlder();
  };

  return (
    <div className={styles.frame}>
      {/* The level between the session's title and the headings of answers and open steps. */}
      <h2 className="visually-hidden">{t.session.log}</h2>
      {older === "loading" ? (
        <p className={styles.older}>
          <Spinner /> {t.session.older}
        </p>
      ) : older === "failed" ? (
        <p className={styles.older}>{t.session.olderFailed}</p>
      ) : null}
      <div
        ref={scroller}
        className={styles.scroller}
        role="feed"
        aria-label={t.session.log}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        tabIndex={0}
        id={CONVERSATION_ID}
      >
        <Virtualizer
          ref={handle}
          data={keys}
          shift={shift}
          bufferSize={400}
          {...(first ? { keepMounted: first } : {})}
          startMargin={24}
          onScroll={onScroll}
        >
          {(key) => <Entry key={key} id={key} />}
        </Virtualizer>
      </div>
      {away ? (
        <button type="button" className={styles.toEnd} onClick={toEnd} aria-label={t.session.toEnd}>
          <ArrowDown size={18} aria-hidden="true" />
        </button>
      ) : null}
    </div>
  );
}

const Entry = memo(function Entry({ id }: { id: string }) {
  if (id === END) return <div className={styles.end} />;
  if (id === WORKING) return <WorkingRow />;
  if (id.startsWith(UNSENT)) return <UnsentRow clientId={id.slice(UNSENT.length)} />;
  return <Row id={id} />;
});

/** What is shown, in order: the log's rows, what the agent is about to do, what is not sent yet. */
function useKeys(): readonly string[] {
  const rows = useSession((state) => state.view.rows);
  const outbox = useSession((state) => state.outbox);
  const working = useSession((state) => state.view.turn !== null || startsSoon(state.view));
  return useMemo(() => {
    const unsent = outbox
      .filter((entry) => entry.events[0]?.type === "user.message")
      .map((entry) => UNSENT + entry.clientId);
    return [...rows, ...(working ? [WORKING] : []), ...unsent, END];
  }, [rows, outbox, working]);
}

/** A message is accepted and its turn has not begun. */
function startsSoon(view: View): boolean {
  const last = view.items.get(view.rows.at(-1) ?? "");
  return last?.kind === "user" && view.state !== "completed";
}

/**
 * The last rows alone at first: what is seen when a long session opens costs no more than itself.
 * They are in the page before the list knows its own height, so that the first frame shows them.
 */
function useTailFirst(
  keys: readonly string[],
  { view }: SessionController,
): readonly [readonly string[], readonly number[] | undefined] {
  const [count] = useState(() => {
    const items = view.rows.map((id) => view.items.get(id));
    return keys.length - view.rows.length + rowsToFill(items, window.innerHeight);
  });
  const [all, setAll] = useState(keys.length <= count);
  useEffect(() => {
    if (all) return;
    let shown = true;
    void drawn().then(() => shown && setAll(true));
    return () => {
      shown = false;
    };
  }, [all]);
  return useMemo(() => {
    if (all) return [keys, undefined];
    const tail = keys.slice(-count);
    return [tail, [...tail.keys()]];
  }, [all, count, keys]);
}

/** True in the one render in which rows were put in front. */
function usePrepended(keys: readonly string[]): boolean {
  const first = useRef<string | undefined>(undefined);
  const before = first.current;
  const prepended = before !== undefined && keys[0] !== before && keys.includes(before);
  useLayoutEffect(() => {
    first.current = keys[0];
  }, [keys]);
  return prepended;
}
