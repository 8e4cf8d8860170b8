/** One line about a tool call: what it does, to what. */
import type { JsonObject } from "../api/events";
import { t } from "../strings";
import { todosOf } from "./todos";
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

/** The session's own folder in a text, with its slash. Another session's stays what it is. */
function workspaceOf(session: string): RegExp | null {
  if (!/^sesn_[0-9A-Z]+$/.test(session)) return null;
  return new RegExp(`(?:/[^/\\s"']+)*/${session}(?:/|(?![0-9A-Z]))`, "g");
}

/** Paths in a text as a person knows them: relative to the session's own workspace. */
export function inWorkspace(text: string, session: string): string {
  const workspace = workspaceOf(session);
  return workspace ? text.replace(workspace, (found) => (found.endsWith("/") ? "" : ".")) : text;
}

export interface Piece {
  readonly text: string;
  /** The path of the session's own folder. */
  readonly workspace: boolean;
}

/**
 * A command with the places where it names the session's own folder. They are not left out, as in
 * the path of a file: what is relative to where depends on what the command did before.
 */
export function commandPieces(command: string, session: string): readonly Piece[] {
  const workspace = workspaceOf(session);
  const pieces: Piece[] = [];
  let end = 0;
  for (const { 0: found, index } of workspace ? command.matchAll(workspace) : []) {
    pieces.push({ text: command.slice(end, index), workspace: false });
    pieces.push({ text: found, workspace: true });
    end = index + found.length;
  }
  pieces.push({ text: command.slice(end), workspace: false });
  return pieces.filter((piece) => piece.text !== "");
}

/** Drawn short, but seen to be something that was left out. */
export function short(piece: Piece): string {
  if (!piece.workspace) return piece.text;
  return piece.text.endsWith("/") ? "…/" : "…";
}

export function shortCommand(command: string, session: string): string {
  return commandPieces(command, session).map(short).join("");
}

/** The end of a path, with a parent folder when there is room. */
export function shortPath(path: string, session: string): string {
  const known = inWorkspace(path, session);
  const parts = known.split("/").filter(Boolean);
  return parts.length <= 2 ? known : parts.slice(-2).join("/");
}

type Named = Pick<ToolItem, "name" | "server" | "title">;

export function summarise(item: Named & Pick<ToolItem, "input">, session: string): Summary {
  const { name, input } = item;
  const verb = t.verbs[name] ?? toolName(item, session);
  const target = targetOf(name, input, session);
  return { verb, target, mono: !PROSE.has(name) };
}

/** The name of a tool in a sentence. */
export function toolName(item: Named, session: string): string {
  if (item.name in t.verbs) return item.name;
  return item.title ? inWorkspace(item.title, session) : plainName(item.name, item.server);
}

const PROSE = new Set(["Agent", "Task", "WebSearch", "AskUserQuestion", "TodoWrite", "Skill"]);

function targetOf(name: string, input: JsonObject, session: string): string {
  switch (name) {
    case "Bash":
      return shortCommand(firstLine(stringOf(input, "command")), session);
    case "Read":
    case "Write":
    case "Edit":
    case "MultiEdit":
      return shortPath(stringOf(input, "file_path"), session);
    case "NotebookEdit":
      return shortPath(stringOf(input, "notebook_path"), session);
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
      return currentStep(input);
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

/** What is being done now; when nothing is, how far the plan has come. */
function currentStep(input: JsonObject): string {
  const todos = todosOf(input);
  const now = todos.find((todo) => todo.status === "in_progress");
  if (now || todos.length === 0) return now?.content ?? "";
  const done = todos.filter((todo) => todo.status === "completed").length;
  return t.plan.progress(done, todos.length);
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
