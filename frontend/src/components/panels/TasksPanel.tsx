/** Work that goes on beside the conversation: helpers and commands in the background. */
import { CircleAlert, CircleCheck, CircleSlash, X } from "lucide-react";
import type { Task } from "../../fold/view";
import { useSession } from "../../store/session";
import { ui } from "../../store/ui";
import { t } from "../../strings";
import { Markdown } from "../markdown/Markdown";
import { IconButton, Spinner } from "../ui/controls";
import { Elapsed } from "../ui/Elapsed";
import styles from "./panels.module.css";

export function TasksPanel() {
  const tasks = useSession((state) => state.view.tasks);
  return (
    <>
      <div className={styles.head}>
        <h2 className={styles.title}>{t.tasks.title}</h2>
        <IconButton icon={X} label={t.tasks.close} onClick={ui.closePanel} />
      </div>
      <div className={styles.body}>
        {tasks.length === 0 ? <p className={styles.empty}>{t.tasks.none}</p> : null}
        <ul>
          {tasks.toReversed().map((task) => (
            <Entry key={task.id} task={task} />
          ))}
        </ul>
      </div>
    </>
  );
}

function Entry({ task }: { task: Task }) {
  const skewMs = useSession((state) => state.skewMs);
  const running = task.status === "started" || task.status === "progress";
  return (
    <li className={styles.task} data-status={task.status}>
      <Icon status={task.status} />
      <span>{task.description}</span>
      <span className={styles.taskState}>
        {t.tasks.states[task.status]}{" "}
        {running && task.at !== null ? <Elapsed since={task.at - skewMs} /> : null}
      </span>
      {task.summary ? (
        <div className={styles.taskSummary}>
          <Markdown text={task.summary} />
        </div>
      ) : null}
    </li>
  );
}

function Icon({ status }: { status: Task["status"] }) {
  switch (status) {
    case "completed":
      return <CircleCheck size={16} aria-hidden="true" />;
    case "failed":
      return <CircleAlert size={16} aria-hidden="true" />;
    case "stopped":
      return <CircleSlash size={16} aria-hidden="true" />;
    default:
      return (
        <span data-icon>
          <Spinner />
        </span>
      );
  }
}
