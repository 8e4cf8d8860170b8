/** How a structured result is best shown: as a table where it has rows, else as a tree. */
import type { Json, JsonObject } from "../api/events";

export interface TableShape {
  readonly columns: readonly string[];
  readonly rows: readonly JsonObject[];
  /** Where in the result the rows are; empty for the result itself. */
  readonly path: string;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The first list of objects in the result, or null when it has none. */
export function tableOf(value: Json): TableShape | null {
  if (Array.isArray(value)) return shape(value as readonly Json[], "");
  if (!isObject(value)) return null;
  for (const [key, entry] of Object.entries(value)) {
    const found = Array.isArray(entry) ? shape(entry as readonly Json[], key) : null;
    if (found) return found;
  }
  return null;
}

function shape(list: readonly Json[], path: string): TableShape | null {
  const rows = list.filter(isObject);
  if (rows.length === 0 || rows.length !== list.length) return null;
  const columns = new Set<string>();
  for (const row of rows) for (const key of Object.keys(row)) columns.add(key);
  return columns.size > 24 ? null : { columns: [...columns], rows, path };
}

export function cellText(value: Json | undefined): string {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** As spreadsheets read it; a cell that begins like a formula is disarmed. */
export function csvOf(table: TableShape): string {
  const quote = (text: string) => {
    const harmless = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
    return /[",\n\r]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
  };
  const line = (cells: readonly string[]) => cells.map(quote).join(",");
  const rows = table.rows.map((row) => line(table.columns.map((column) => cellText(row[column]))));
  return `${[line(table.columns), ...rows].join("\r\n")}\r\n`;
}
