import {
  Bot,
  Braces,
  FilePen,
  FilePlus,
  FileText,
  Globe,
  ListChecks,
  type LucideIcon,
  Map as MapIcon,
  MessageCircleQuestion,
  Search,
  Sparkles,
  SquareTerminal,
  Wrench,
} from "lucide-react";

const ICONS: Readonly<Record<string, LucideIcon>> = {
  Bash: SquareTerminal,
  BashOutput: SquareTerminal,
  KillShell: SquareTerminal,
  Read: FileText,
  Write: FilePlus,
  Edit: FilePen,
  MultiEdit: FilePen,
  NotebookEdit: FilePen,
  Glob: Search,
  Grep: Search,
  WebFetch: Globe,
  WebSearch: Globe,
  TodoWrite: ListChecks,
  Agent: Bot,
  Task: Bot,
  AskUserQuestion: MessageCircleQuestion,
  ExitPlanMode: MapIcon,
  StructuredOutput: Braces,
  Skill: Sparkles,
};

export function iconOf(tool: string): LucideIcon {
  return ICONS[tool] ?? Wrench;
}
