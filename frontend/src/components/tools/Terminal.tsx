/** A command and what it printed, as a terminal shows it. */
import { textOf } from "../../fold/messages";
import { commandPieces, short, stringOf } from "../../fold/summary";
import type { ToolItem } from "../../fold/view";
import { plainOutput } from "../../lib/ansi";
import { useSession } from "../../store/session";
import { t } from "../../strings";
import { CopyButton } from "../ui/controls";
import styles from "./details.module.css";
import { useClipped } from "./OutputBlock";

export function Terminal({ item }: { item: ToolItem }) {
  const { result } = item;
  const details = result?.details;
  const stderr = plainOutput(details ? stringOf(details, "stderr") : "");
  const stdout = details ? stringOf(details, "stdout") : "";
  const output = plainOutput(stdout || textOf(result?.blocks));
  const command = stringOf(item.input, "command");
  const { shown, toggle } = useClipped(output.trimEnd());
  const silent = result && !output.trim() && !stderr.trim();
  return (
    <div className={styles.terminal}>
      <div className={styles.terminalHead}>
        <span>{stringOf(item.input, "description") || t.tool.terminal}</span>
        <CopyButton
          text={() => [command, output, stderr].filter(Boolean).join("\n")}
          label={t.row.copy}
        />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre tabIndex={0}>
        <Command text={command} />
        {result && item.state !== "denied" ? "\n" : null}
        {item.state === "denied" ? null : shown}
        {stderr.trim() && item.state !== "denied" ? (
          <span className={styles.stderr}>
            {shown ? "\n" : ""}
            {stderr.trimEnd()}
          </span>
        ) : null}
        {silent ? <span className={styles.none}>{t.tool.noOutput}</span> : null}
      </pre>
      {toggle}
    </div>
  );
}

/** The command as it will run; only the long path of the session's own folder is drawn short. */
function Command({ text }: { text: string }) {
  const session = useSession((state) => state.id);
  return (
    <span className={styles.command}>
      {commandPieces(text, session).map((piece, index) =>
        piece.workspace ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: the pieces of a command do not move
          <abbr key={index} title={`${t.tool.workspace}: ${piece.text}`}>
            {short(piece)}
          </abbr>
        ) : (
          piece.text
        ),
      )}
    </span>
  );
}
