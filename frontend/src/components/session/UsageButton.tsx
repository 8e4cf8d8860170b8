/** What the session has cost and how full the model's memory is; details on demand. */
import * as Popover from "@radix-ui/react-popover";
import { useState } from "react";
import { api } from "../../api/client";
import type { Json, Usage } from "../../api/events";
import { isObject } from "../../fold/structured";
import { count, money } from "../../lib/format";
import { useApp } from "../../store/app";
import { useSession } from "../../store/session";
import { t } from "../../strings";
import { Button } from "../ui/controls";
import { overlayStyles } from "../ui/overlay";
import styles from "./header.module.css";

const RADIUS = 7;
const LENGTH = 2 * Math.PI * RADIUS;

export function UsageButton() {
  const cost = useSession((state) => state.view.costUsd);
  const { tokens, window, percent } = useContext();
  const label = `${t.usage.cost} ${money(cost)}${percent === null ? "" : `, ${t.usage.context} ${t.usage.percent(percent)}`}`;
  return (
    <Popover.Root>
      <Popover.Trigger asChild>
        <button type="button" className={styles.usage} aria-label={label} title={t.usage.title}>
          {percent === null ? null : <Ring percent={percent} />}
          <span>{money(cost)}</span>
        </button>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          className={overlayStyles.popover}
          align="end"
          sideOffset={4}
          collisionPadding={8}
          aria-label={t.usage.title}
        >
          <Details tokens={tokens} window={window} percent={percent} />
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

function useContext() {
  const tokens = useSession((state) => state.view.contextTokens);
  const reported = useSession((state) => state.view.contextWindow);
  const model = useSession((state) => state.view.model);
  const known = useApp((state) => state.me?.models.find((entry) => entry.id === model));
  const window = reported ?? known?.context_window ?? null;
  const percent =
    tokens === null || !window ? null : Math.min(100, Math.round((tokens / window) * 100));
  return { tokens, window, percent };
}

function Ring({ percent }: { percent: number }) {
  return (
    <svg className={styles.ring} width="18" height="18" viewBox="0 0 18 18" aria-hidden="true">
      <circle className={styles.ringTrack} cx="9" cy="9" r={RADIUS} fill="none" strokeWidth="3" />
      <circle
        className={styles.ringValue}
        data-full={percent > 80}
        cx="9"
        cy="9"
        r={RADIUS}
        fill="none"
        strokeWidth="3"
        strokeLinecap="round"
        strokeDasharray={LENGTH}
        strokeDashoffset={LENGTH * (1 - percent / 100)}
      />
    </svg>
  );
}

interface DetailsProps {
  readonly tokens: number | null;
  readonly window: number | null;
  readonly percent: number | null;
}

function Details({ tokens, window, percent }: DetailsProps) {
  const cost = useSession((state) => state.view.costUsd);
  const usage = useSession((state) => state.view.usage);
  const entry = (label: string, value: number | undefined) =>
    value ? (
      <div>
        <dt>{label}</dt>
        <dd>{count(value)}</dd>
      </div>
    ) : null;
  return (
    <>
      <dl className={styles.table}>
        <div>
          <dt>{t.usage.cost}</dt>
          <dd className={styles.big}>{money(cost)}</dd>
        </div>
        {tokens !== null && window !== null && percent !== null ? (
          <div>
            <dt>{t.usage.context}</dt>
            <dd>
              <span className={styles.big}>{t.usage.percent(percent)}</span>
              <br />
              {t.usage.of(count(tokens), count(window))}
            </dd>
          </div>
        ) : null}
      </dl>
      {usage ? (
        <>
          <div className={styles.rule} />
          <dl className={styles.table}>
            {entry(t.usage.input, usage.input_tokens)}
            {entry(t.usage.output, usage.output_tokens)}
            {entry(t.usage.cacheRead, usage.cache_read_input_tokens)}
            {entry(t.usage.cacheWrite, cacheWritten(usage))}
          </dl>
        </>
      ) : null}
      <div className={styles.rule} />
      <ContextDetails />
    </>
  );
}

type Loaded = "idle" | "loading" | "failed" | readonly (readonly [string, number])[];

/** Counting costs the server several requests, so it is done only when asked for. */
function ContextDetails() {
  const id = useSession((state) => state.id);
  const [loaded, setLoaded] = useState<Loaded>("idle");
  if (loaded === "loading") return <p>{t.usage.loading}</p>;
  if (loaded === "failed") return <p role="alert">{t.usage.unavailable}</p>;
  if (loaded === "idle") {
    const load = () => {
      setLoaded("loading");
      api.context(id).then(
        (answer) => setLoaded(categoriesOf(answer["categories"])),
        () => setLoaded("failed"),
      );
    };
    return <Button onClick={load}>{t.usage.details}</Button>;
  }
  return (
    <dl className={styles.table}>
      {loaded.map(([name, tokens]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{count(tokens)}</dd>
        </div>
      ))}
    </dl>
  );
}

function categoriesOf(value: Json | undefined): readonly (readonly [string, number])[] {
  if (!Array.isArray(value)) return [];
  return (value as readonly Json[]).flatMap((entry) =>
    isObject(entry) && typeof entry["name"] === "string" && typeof entry["tokens"] === "number"
      ? [[entry["name"], entry["tokens"]] as const]
      : [],
  );
}

function cacheWritten(usage: Usage): number {
  const parts = usage.cache_creation;
  return (parts?.ephemeral_5m_input_tokens ?? 0) + (parts?.ephemeral_1h_input_tokens ?? 0);
}
