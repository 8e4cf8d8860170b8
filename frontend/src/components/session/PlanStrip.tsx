/** The agent's plan: one line with its progress, the whole list on demand. */
import { ChevronDown } from "lucide-react";
import { useState } from "react";
import { useSession } from "../../store/session";
import { t } from "../../strings";
import { TodoList } from "../tools/TodoList";
import styles from "./dock.module.css";

export function PlanStrip() {
  const todos = useSession((state) => state.view.todos);
  const current = useSession(({ view }) => view.turn !== null && view.turn.id === view.todosTurn);
  const [open, setOpen] = useState(false);
  const done = todos.filter((todo) => todo.status === "completed").length;
  // A plan that is done leaves with its answer.
  if (todos.length === 0 || (done === todos.length && !current)) return null;
  const now = todos.find((todo) => todo.status === "in_progress");
  return (
    <section className={styles.strip} aria-label={t.plan.title} data-plan>
      <button
        type="button"
        className={styles.stripHead}
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        <span className={styles.stripTitle}>{t.plan.title}</span>
        <span className={styles.current}>{now?.active_form ?? now?.content ?? ""}</span>
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
        <div className={styles.planList}>
          <TodoList todos={todos} />
        </div>
      ) : null}
    </section>
  );
}
