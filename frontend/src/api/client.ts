/** The gateway's REST API, as far as the page uses it. */
import { ApiError, errorOf, NetworkError } from "./errors";
import type { Json, LogEvent } from "./events";
import type { Agent, FileInfo, Me, Page, Session } from "./types";

const BASE = "/api/v1";

async function request<T>(method: string, path: string, body?: unknown): Promise<T> {
  let response: Response;
  try {
    response = await fetch(BASE + path, {
      method,
      credentials: "same-origin",
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
  } catch {
    throw new NetworkError();
  }
  if (!response.ok) throw await errorOf(response);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

const at = (id: string, rest = "") => `/sessions/${encodeURIComponent(id)}${rest}`;

export const api = {
  me: () => request<Me>("GET", "/me"),
  login: (email: string, password: string) =>
    request<void>("POST", "/auth/login", { email, password }),
  logout: () => request<void>("POST", "/auth/logout"),
  agents: () => request<Page<Agent>>("GET", "/agents?limit=100"),
  environments: () => request<Page<{ id: string; name: string }>>("GET", "/environments?limit=20"),

  sessions(options: { search: string; archived: boolean; page: string | null }) {
    const query = new URLSearchParams({ limit: "40", order: "desc" });
    if (options.search) query.set("search", options.search);
    if (options.archived) query.set("include_archived", "true");
    if (options.page) query.set("page", options.page);
    return request<Page<Session>>("GET", `/sessions?${query}`);
  },
  session: (id: string) => request<Session>("GET", at(id)),
  createSession: (body: { agent: string; environment_id?: string; title?: string }) =>
    request<Session>("POST", "/sessions", body),
  updateSession: (id: string, body: { title?: string; model?: string; permission_mode?: string }) =>
    request<Session>("POST", at(id), body),
  archiveSession: (id: string) => request<Session>("POST", at(id, "/archive")),
  unarchiveSession: (id: string) => request<Session>("POST", at(id, "/unarchive")),
  deleteSession: (id: string) => request<void>("DELETE", at(id)),

  /** The last events before `before` (exclusive), newest first. */
  async eventsBefore(id: string, before: number | null, limit: number, types: string[] = []) {
    const query = new URLSearchParams({ limit: String(limit), order: "desc" });
    if (before !== null) query.set("before", String(before));
    for (const type of types) query.append("types[]", type);
    return request<Page<LogEvent>>("GET", at(id, `/events?${query}`));
  },
  context: (id: string) => request<{ [key: string]: Json }>("GET", at(id, "/context")),

  files: (id: string, path: string) =>
    request<{ files: readonly FileInfo[]; truncated: boolean }>(
      "GET",
      at(id, `/files?path=${encodeURIComponent(path)}`),
    ),
  fileUrl: (id: string, path: string, download: boolean) =>
    `${BASE}${at(id, `/files/content?path=${encodeURIComponent(path)}`)}${download ? "&download=1" : ""}`,
  async fileContent(id: string, path: string): Promise<Response> {
    const response = await fetch(api.fileUrl(id, path, false), { credentials: "same-origin" });
    if (!response.ok) throw await errorOf(response);
    return response;
  },
  uploadedUrl: (fileId: string) => `${BASE}/files/${encodeURIComponent(fileId)}/content`,
};

export function isStatus(error: unknown, status: number): boolean {
  return error instanceof ApiError && error.status === status;
}
