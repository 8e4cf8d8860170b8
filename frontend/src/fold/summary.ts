/** One line about a tool call: what it does, to what. */
import type { JsonObject } from "../api/events";
import { t } from "../strings";
import type { ToolItem } from "./view";

export interface Summary {
  readonly verb: string;
  readonly target: string;
  /** The target is code, a path or a pattern rather than prose. */
  readonly mono: boolean;
}

export function stringOf(input: JsonObject, key: string): string {
  const value = input[key];
  return typeof value === "string" ? value : "";
}

/** Paths in a text as a person knows them: relative to the session's own workspace. */
export function inWorkspace(text: string): string {
  return text.replace(/(?:\/[^/\s"']+)*\/sesn_[0-9A-Z]{26}\//g, "");
}

/** The end of a path, with a parent folder when there is room. */
export function shortPath(path: string): string {
  const known = inWorkspace(path);
  const parts = known.split("/").filter(Boolean);
  return parts.length <= 2 ? known : parts.slice(-2).join("/");
}

export function summarise(item: Pick<ToolItem, "name" | "server" | "input" | "title">): Summary {
  const { name, server, input, title } = item;
  const verb = t.verbs[name] ?? (title ? inWorkspace(title) : plainName(name, server));
  const target = targetOf(name, input);
  return { verb, target, mono: !PROSE.has(name) };
}

/** The name of a tool in a sentence. */
export function toolName(item: Pick<ToolItem, "name" | "server" | "title">): string {
  if (item.name in t.verbs) return item.name;
  return item.title ? inWorkspace(item.title) : plainName(item.name, item.server);
}

const PROSE = new Set(["Agent", "Task", "WebSearch", "AskUserQuestion", "TodoWrite", "Skill"]);

function targetOf(name: string, input: JsonObject): string {
  switch (name) {
    case "Bash":
      return inWorkspace(firstLine(stringOf(input, "command")));
    case "Read":
    case "Write":
    case "Edit":
    case "MultiEdit":
      return shortPath(stringOf(input, "file_path"));
    case "NotebookEdit":
      return shortPath(stringOf(input, "notebook_path"));
    case "Glob":
    case "Grep":
      return stringOf(input, "pattern");
    case "WebFetch":
      return stringOf(input, "url");
    case "WebSearch":
      return stringOf(input, "query");
    case "Agent":
    case "Task":
      return stringOf(input, "description");
    case "AskUserQuestion":
      return firstQuestion(input);
    case "Skill":
      return stringOf(input, "skill") || stringOf(input, "command");
    case "TodoWrite":
    case "StructuredOutput":
      return "";
    default:
      return firstString(input);
  }
}

function firstLine(text: string): string {
  return text.trim().split("\n", 1)[0] ?? "";
}

function firstQuestion(input: JsonObject): string {
  const { questions } = input;
  const first = Array.isArray(questions) ? questions[0] : null;
  if (typeof first !== "object" || first === null || Array.isArray(first)) return "";
  return stringOf(first as JsonObject, "question");
}

function firstString(input: JsonObject): string {
  const value = Object.values(input).find((entry) => typeof entry === "string");
  return typeof value === "string" ? firstLine(value).slice(0, 120) : "";
}

/** Tools of connected servers are named mcp__server__tool; people get the words in it. */
function plainName(name: string, server: string | null): string {
  const parts = name.startsWith("mcp__") ? name.split("__").slice(1) : [server ?? "", name];
  return parts
    .filter(Boolean)
    .map((part) => part.replaceAll("_", " "))
    .join(" · ");
}
