/** A tool call's input as people read it: field by field, and a plan as the text that it is. */
import type { Json, JsonObject } from "../api/events";
import { t } from "../strings";

export interface Field {
  readonly name: string;
  readonly label: string;
  readonly value: Json;
}

/** What a card shows in a form of its own already. */
const SHOWN: Readonly<Record<string, readonly string[]>> = {
  Bash: ["command", "description"],
  Edit: ["file_path", "old_string", "new_string"],
  MultiEdit: ["file_path", "edits"],
  Write: ["file_path", "content"],
  Agent: ["prompt", "description"],
  Task: ["prompt", "description"],
  AskUserQuestion: ["questions", "answers"],
  TodoWrite: ["todos"],
  ExitPlanMode: ["plan"],
};

/** The fields of a call that its card does not show otherwise. */
export function fieldsOf(tool: string, input: JsonObject): readonly Field[] {
  const shown = SHOWN[tool] ?? [];
  const known = tool.startsWith("mcp__") ? {} : t.tool.fields;
  return Object.entries(input).flatMap(([name, value]) =>
    value === undefined || shown.includes(name)
      ? []
      : [{ name, label: (known as Readonly<Record<string, string>>)[name] ?? plain(name), value }],
  );
}

/** The plan that a call hands over, in Markdown; null for any other call. */
export function planOf(tool: string, input: JsonObject): string | null {
  if (tool !== "ExitPlanMode") return null;
  const { plan } = input;
  return typeof plan === "string" && plan.trim() !== "" ? plan : null;
}

/** snake_case and camelCase as words. */
function plain(name: string): string {
  const words = name
    .replaceAll(/([a-z0-9])([A-Z])(?![A-Z])/g, (_, end, next) => `${end} ${next.toLowerCase()}`)
    .replaceAll(/[_\s]+/g, " ")
    .trim();
  return words || name;
}
