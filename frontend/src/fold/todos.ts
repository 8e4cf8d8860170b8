/** The plan in a tool's input, as far as it is one. Pure. */
import type { Json, JsonObject, Todo } from "../api/events";
import { isObject } from "./structured";

const STATES = new Set(["pending", "in_progress", "completed"]);

export function todosOf(input: JsonObject): readonly Todo[] {
  const { todos } = input;
  if (!Array.isArray(todos)) return [];
  return (todos as readonly Json[]).filter(isTodo);
}

function isTodo(value: Json): value is Json & Todo {
  if (!isObject(value)) return false;
  return typeof value["content"] === "string" && STATES.has(String(value["status"]));
}
