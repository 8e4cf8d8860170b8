/** Below the conversation: what waits for the person, the plan, the queue, and the composer. */
import { Hand } from "lucide-react";
import { navigate } from "../../lib/router";
import { useController, useSession } from "../../store/session";
import { t } from "../../strings";
import { Composer } from "../composer/Composer";
import composerStyles from "../composer/composer.module.css";
import { Pickers } from "../composer/Pickers";
import { scrollConversation } from "../conversation/scrolling";
import { Button } from "../ui/controls";
import styles from "./dock.module.css";
import { PlanStrip } from "./PlanStrip";
import { QueueTray } from "./QueueTray";
import { useApprovalInView } from "./useApprovalInView";

export function Dock() {
  const id = useSession((state) => state.id);
  const ended = useSession((state) => state.view.state === "completed");
  return (
    <div className={styles.dock}>
      <WaitingStrip />
      <PlanStrip />
      <QueueTray />
      {ended ? (
        <div className={styles.ended}>
          <p>{t.session.ended}</p>
          <Button tone="primary" onClick={() => navigate("/")}>
            {t.session.home}
          </Button>
        </div>
      ) : (
        <SessionComposer key={id} id={id} />
      )}
    </div>
  );
}

function SessionComposer({ id }: { id: string }) {
  const controller = useController();
  const running = useSession((state) => state.view.turn !== null);
  const stopping = useSession((state) => state.view.stopping);
  const model = useSession((state) => state.view.model);
  const mode = useSession((state) => state.view.permissionMode);
  const modes = useSession((state) => state.view.permissionModes);
  return (
    <Composer
      draftKey={id}
      autoFocus
      placeholder={running ? t.composer.queuePlaceholder : t.composer.placeholder}
      sendLabel={running ? t.composer.queue : t.composer.send}
      onSend={(content) => {
        controller.sender.message(content);
        scrollConversation(null);
        return true;
      }}
      pickers={
        <Pickers
          model={model}
          mode={mode}
          modes={modes}
          onModel={(next) => void controller.updateSettings({ model: next })}
          onMode={(next) => void controller.updateSettings({ permission_mode: next })}
        />
      }
      stop={
        running ? (
          <button
            type="button"
            className={composerStyles.stop}
            disabled={stopping}
            onClick={() => controller.interrupt()}
            title={t.composer.stop}
          >
            <span className={composerStyles.square} aria-hidden="true" />
            <span>{stopping ? t.composer.stopping : t.composer.stop}</span>
          </button>
        ) : null
      }
    />
  );
}

/** Says that a step waits, whenever that step is not in sight. */
function WaitingStrip() {
  const pending = useSession((state) => state.view.pending);
  const inView = useApprovalInView(pending);
  const first = useSession((state) => topLevel(state.view.items, pending[0]));
  if (pending.length === 0 || inView || first === undefined) return null;
  return (
    <div className={styles.waiting}>
      <Hand size={16} aria-hidden="true" />
      <span>{t.approval.waitingCount(pending.length)}</span>
      <Button tone="quiet" onClick={() => scrollConversation(first)}>
        {t.approval.show}
      </Button>
    </div>
  );
}

function topLevel(
  items: ReadonlyMap<string, { readonly parent: string | null }>,
  id: string | undefined,
): string | undefined {
  let current = id;
  for (let depth = 0; depth < 10 && current !== undefined; depth += 1) {
    const parent = items.get(current)?.parent;
    if (!parent) return current;
    current = parent;
  }
  return current;
}
