/** Which model answers, and how much it may do without asking. */
import { ChevronDown, Cpu, Shield } from "lucide-react";
import type { PermissionMode } from "../../api/types";
import { useApp } from "../../store/app";
import { t } from "../../strings";
import { Menu, MenuChoices } from "../ui/overlay";
import styles from "./composer.module.css";

interface Props {
  readonly model: string | null;
  /** Null while it is not known. */
  readonly mode: string | null;
  /** Those that would hold. */
  readonly modes: readonly string[];
  readonly onModel: (model: string) => void;
  readonly onMode: (mode: PermissionMode) => void;
}

export function Pickers({ model, mode, modes, onModel, onMode }: Props) {
  const models = useApp((state) => state.me?.models) ?? [];
  const modelName = models.find((entry) => entry.id === model)?.name ?? model;
  return (
    <>
      <Menu
        align="start"
        side="top"
        trigger={
          <button
            type="button"
            className={`${styles.pick} ${styles.whole}`}
            aria-label={modeLabel(mode)}
          >
            <Shield size={15} aria-hidden="true" />
            <span>{modeName(mode)}</span>
            <ChevronDown size={14} aria-hidden="true" />
          </button>
        }
      >
        <MenuChoices
          label={t.composer.mode}
          value={mode ?? ""}
          choices={modes.map((id) => ({ value: id, name: modeName(id), hint: t.modes[id]?.hint }))}
          onChange={(id) => onMode(id as PermissionMode)}
        />
      </Menu>
      <Menu
        align="start"
        side="top"
        trigger={
          <button
            type="button"
            className={styles.pick}
            aria-label={`${t.composer.model}: ${modelName ?? t.composer.defaultModel}`}
          >
            <Cpu size={15} aria-hidden="true" />
            <span>{modelName ?? t.composer.defaultModel}</span>
            <ChevronDown size={14} aria-hidden="true" />
          </button>
        }
      >
        <MenuChoices
          label={t.composer.model}
          value={model ?? ""}
          choices={models.map((entry) => ({ value: entry.id, name: entry.name }))}
          onChange={onModel}
        />
      </Menu>
    </>
  );
}

function modeName(mode: string | null): string {
  return mode === null ? "…" : (t.modes[mode]?.name ?? mode);
}

function modeLabel(mode: string | null): string {
  return `${t.composer.mode}: ${modeName(mode)}`;
}
