/** A list of steps with their state: the plan, wherever it is shown. */
import { Circle, CircleCheck, CircleDot } from "lucide-react";
import type { Todo } from "../../api/events";
import { t } from "../../strings";
import styles from "./todos.module.css";

const ICONS = { pending: Circle, in_progress: CircleDot, completed: CircleCheck } as const;

export function TodoList({ todos }: { todos: readonly Todo[] }) {
  return (
    <ul className={styles.list}>
      {todos.map((todo, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the place in the plan is the identity
        <Entry key={index} todo={todo} />
      ))}
    </ul>
  );
}

function Entry({ todo }: { todo: Todo }) {
  const Icon = ICONS[todo.status] ?? Circle;
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
