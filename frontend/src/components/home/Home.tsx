/** The start: a field to ask in, and examples for those who come for the first time. */
import { ArrowUpRight, Bot, ChevronDown, FileUp, PanelLeft } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { wordsFor } from "../../api/errors";
import type { ContentBlock } from "../../api/events";
import type { PermissionMode } from "../../api/types";
import { app, modeOf, useApp } from "../../store/app";
import { importSession, startSession } from "../../store/start";
import { ui, useUi } from "../../store/ui";
import { t } from "../../strings";
import { AppMenu } from "../AppMenu";
import { Composer } from "../composer/Composer";
import composerStyles from "../composer/composer.module.css";
import { Pickers } from "../composer/Pickers";
import { ScriptedBanner, ScriptedMark } from "../session/Banners";
import { Button, IconButton, Spinner } from "../ui/controls";
import { Menu, MenuChoices } from "../ui/overlay";
import styles from "./home.module.css";

const DRAFT = "home";

export function Home() {
  const agents = useApp((state) => state.agents);
  const focus = useUi((state) => state.focus);
  const [agentId, setAgentId] = useState<string | null>(null);
  const [model, setModel] = useState<string | null>(null);
  const [mode, setMode] = useState<PermissionMode | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const modes = useApp((state) => state.me?.permission_modes) ?? [];
  const chosen = agentId ?? agents?.[0]?.id ?? null;
  const agent = agents?.find((one) => one.id === chosen) ?? null;

  useEffect(() => {
    if (agents === null) app.loadAgents().catch((reason: unknown) => setError(wordsFor(reason)));
  }, [agents]);

  const start = async (content: readonly ContentBlock[]): Promise<boolean> => {
    if (busy) return false;
    setBusy(true);
    setError(null);
    const settings = {
      ...(agentId ? { agent: agentId } : {}),
      ...(model ? { model } : {}),
      ...(mode ? { permission_mode: mode } : {}),
    };
    try {
      await startSession({ settings, content });
      return true;
    } catch (reason) {
      setBusy(false);
      setError(wordsFor(reason));
      return false;
    }
  };

  return (
    <div className={styles.page}>
      <div className={styles.top}>
        <span>
          {focus ? null : (
            <IconButton
              icon={PanelLeft}
              label={t.sidebar.open}
              onClick={ui.toggleSidebar}
              data-opens-sidebar
            />
          )}
        </span>
        <span className={styles.corner}>
          <ScriptedMark />
          <AppMenu />
        </span>
      </div>
      <ScriptedBanner />
      <div className={styles.center}>
        <h1 className={styles.title}>{t.home.title}</h1>
        <p className={styles.lead}>{t.home.lead}</p>
        <Composer
          draftKey={DRAFT}
          autoFocus
          busy={busy}
          placeholder={t.composer.placeholder}
          sendLabel={t.composer.send}
          onSend={start}
          pickers={
            <>
              {agents && agents.length > 1 ? (
                <AgentPicker agents={agents} value={chosen ?? ""} onChange={setAgentId} />
              ) : null}
              <Pickers
                model={model ?? agent?.model.id ?? null}
                mode={mode ?? (agent ? modeOf(agent) : null)}
                modes={modes}
                onModel={setModel}
                onMode={setMode}
              />
            </>
          }
        />
        {error ? (
          <p className={styles.error} role="alert">
            {error}
          </p>
        ) : null}
        {agents?.length === 0 ? <p className={styles.error}>{t.home.noAgent}</p> : null}
        {busy ? (
          <p className={styles.lead} role="status">
            <Spinner /> {t.home.starting}
          </p>
        ) : (
          <>
            <Examples onChoose={(text) => void start([{ type: "text", text }])} />
            <Import onError={setError} />
          </>
        )}
      </div>
    </div>
  );
}

function Import({ onError }: { onError: (text: string | null) => void }) {
  const picker = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  const take = (file: File | undefined) => {
    if (!file) return;
    setBusy(true);
    onError(null);
    importSession(file).catch((reason: unknown) => {
      setBusy(false);
      onError(wordsFor(reason));
    });
  };
  return (
    <p className={styles.import}>
      <input
        ref={picker}
        type="file"
        accept=".jsonl,application/x-ndjson"
        hidden
        onChange={(event) => {
          take(event.target.files?.[0]);
          event.target.value = "";
        }}
      />
      <Button tone="quiet" disabled={busy} onClick={() => picker.current?.click()}>
        {busy ? <Spinner /> : <FileUp size={16} aria-hidden="true" />}
        {busy ? t.transfer.importing : t.transfer.import}
      </Button>
    </p>
  );
}

function Examples({ onChoose }: { onChoose: (text: string) => void }) {
  return (
    <section aria-label={t.home.examplesTitle}>
      <h2 className={styles.examplesTitle}>{t.home.examplesTitle}</h2>
      <ul className={styles.examples}>
        {t.home.examples.map(({ title, text }) => (
          <li key={title}>
            <button type="button" className={styles.example} onClick={() => onChoose(text)}>
              <span className={styles.exampleTitle}>{title}</span>
              <span className={styles.exampleText}>{text}</span>
              <ArrowUpRight size={18} aria-hidden="true" />
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

interface AgentPickerProps {
  readonly agents: readonly {
    readonly id: string;
    readonly name: string;
    readonly description?: string | null;
  }[];
  readonly value: string;
  readonly onChange: (id: string) => void;
}

function AgentPicker({ agents, value, onChange }: AgentPickerProps) {
  const name = agents.find((agent) => agent.id === value)?.name ?? "";
  return (
    <Menu
      align="start"
      trigger={
        <button
          type="button"
          className={composerStyles.pick}
          aria-label={`${t.home.agent}: ${name}`}
        >
          <Bot size={15} aria-hidden="true" />
          <span>{name}</span>
          <ChevronDown size={14} aria-hidden="true" />
        </button>
      }
    >
      <MenuChoices
        label={t.home.agent}
        value={value}
        choices={agents.map((agent) => ({
          value: agent.id,
          name: agent.name,
          hint: agent.description ?? undefined,
        }))}
        onChange={onChange}
      />
    </Menu>
  );
}
