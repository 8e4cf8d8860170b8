/** The questions that an agent asks a person, checked: the input of a tool is the model's text. */
import type { Json, JsonObject } from "../api/events";

export interface Option {
  readonly label: string;
  readonly description: string;
}

export interface Question {
  readonly question: string;
  readonly header: string;
  readonly options: readonly Option[];
  readonly multiSelect: boolean;
}

export function questionsOf(input: JsonObject): readonly Question[] {
  const { questions } = input;
  if (!Array.isArray(questions)) return [];
  return (questions as readonly Json[]).flatMap((entry) => {
    if (typeof entry !== "object" || entry === null || Array.isArray(entry)) return [];
    const raw = entry as JsonObject;
    if (typeof raw["question"] !== "string") return [];
    return [
      {
        question: raw["question"],
        header: typeof raw["header"] === "string" ? raw["header"] : "",
        options: optionsOf(raw["options"]),
        multiSelect: raw["multiSelect"] === true,
      },
    ];
  });
}

function optionsOf(value: Json | undefined): Option[] {
  if (!Array.isArray(value)) return [];
  return (value as readonly Json[]).flatMap((entry) => {
    if (typeof entry === "string") return [{ label: entry, description: "" }];
    if (typeof entry !== "object" || entry === null || Array.isArray(entry)) return [];
    const { label, description } = entry as JsonObject;
    if (typeof label !== "string") return [];
    return [{ label, description: typeof description === "string" ? description : "" }];
  });
}
