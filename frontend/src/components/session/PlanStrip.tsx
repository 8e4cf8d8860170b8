/** The agent's plan: one line with its progress, the whole list on demand. */
import { ChevronDown, Circle, CircleCheck, CircleDot } from "lucide-react";
import { useState } from "react";
import type { Todo } from "../../api/events";
import { useSession } from "../../store/session";
import { t } from "../../strings";
import styles from "./dock.module.css";

const ICONS = { pending: Circle, in_progress: CircleDot, completed: CircleCheck } as const;

export function PlanStrip() {
  const todos = useSession((state) => state.view.todos);
  const running = useSession((state) => state.view.turn !== null);
  const [open, setOpen] = useState(false);
  const done = todos.filter((todo) => todo.status === "completed").length;
  // A plan that is done leaves with its answer.
  if (todos.length === 0 || (done === todos.length && !running)) return null;
  const current = todos.find((todo) => todo.status === "in_progress");
  return (
    <section className={styles.strip} aria-label={t.plan.title} data-plan>
      <button
        type="button"
        className={styles.stripHead}
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        <span className={styles.stripTitle}>{t.plan.title}</span>
        <span className={styles.current}>{current?.active_form ?? current?.content ?? ""}</span>
        <span className={styles.progress} aria-hidden="true">
          {todos.slice(0, 24).map((todo, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the place in the plan is the identity
            <span key={index} data-status={todo.status} />
          ))}
        </span>
        <span className={styles.count}>{t.plan.progress(done, todos.length)}</span>
        <ChevronDown size={16} className={styles.chevron} aria-hidden="true" />
      </button>
      {open ? (
        <ul className={styles.list}>
          {todos.map((todo, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the place in the plan is the identity
            <Entry key={index} todo={todo} />
          ))}
        </ul>
      ) : null}
    </section>
  );
}

function Entry({ todo }: { todo: Todo }) {
  const Icon = ICONS[todo.status];
  return (
    <li className={styles.todo} data-status={todo.status}>
      <Icon size={16} aria-hidden="true" />
      <span>
        {todo.content}
        <span className="visually-hidden"> ({t.plan.states[todo.status]})</span>
      </span>
    </li>
  );
}
