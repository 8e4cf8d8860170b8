/** The gateway's REST API, as far as the page uses it. Paths and shapes are generated. */
import createClient from "openapi-fetch";
import { forgetEarly, takeEarly } from "../early/early";
import { HEADER } from "../lib/names";
import { ApiError, errorFrom, NetworkError } from "./errors";
import type { ClientEvent, Json, LogEvent } from "./events";
import { nextRequestId } from "./requestId";
import type { paths } from "./schema";
import type {
  Agent,
  ExportFormat,
  ForkCreate,
  Page,
  SendEvents,
  Session,
  SessionCreate,
  SessionUpdate,
} from "./types";

const client = createClient<paths>({
  credentials: "same-origin",
  fetch: async (request) => (await takeEarly(request)) ?? fetch(request),
});

client.use({
  onRequest: ({ request }) => {
    request.headers.set(HEADER, nextRequestId());
    return request;
  },
});

interface Answer<T> {
  readonly data?: T;
  readonly error?: unknown;
  readonly response: Response;
}

let signedOut: () => void = () => undefined;

/** Calls this whenever the gateway does not know the person (any more). */
export function onSignedOut(listener: () => void): void {
  signedOut = () => {
    forgetEarly();
    listener();
  };
}

async function take<T>(asked: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await asked;
  } catch {
    throw new NetworkError();
  }
  if (!answer.response.ok) {
    const error = errorFrom(answer.response.status, answer.error);
    if (error.status === 401) signedOut();
    throw error;
  }
  return answer.data as T;
}

const SESSION = "/api/v1/sessions/{session_id}";
const on = (session_id: string) => ({ params: { path: { session_id } } });

export interface SessionQuery {
  readonly search: string;
  readonly archived: boolean;
  readonly page: string | null;
}

export interface EventQuery {
  /** Events below this seq; null begins at the end of the log. */
  readonly before: number | null;
  readonly limit: number;
  readonly types?: readonly string[];
}

export const api = {
  me: () => take(client.GET("/api/v1/me")),
  login: (email: string, password: string) =>
    take(client.POST("/api/v1/auth/login", { body: { email, password } })),
  logout: () => take(client.POST("/api/v1/auth/logout")),
  agents: (): Promise<Page<Agent>> =>
    take(client.GET("/api/v1/agents", { params: { query: { limit: 100 } } })),

  sessions({ search, archived, page }: SessionQuery): Promise<Page<Session>> {
    const query = {
      limit: 40,
      order_by: "last_event_at" as const,
      include_archived: archived,
      ...(search ? { search } : {}),
      ...(page ? { page } : {}),
    };
    return take(client.GET("/api/v1/sessions", { params: { query } }));
  },
  session: (id: string) => take(client.GET(SESSION, on(id))),
  createSession: (body: SessionCreate) => take(client.POST("/api/v1/sessions", { body })),
  updateSession: (id: string, body: SessionUpdate) =>
    take(client.POST(SESSION, { ...on(id), body })),
  archiveSession: (id: string) => take(client.POST(`${SESSION}/archive`, on(id))),
  unarchiveSession: (id: string) => take(client.POST(`${SESSION}/unarchive`, on(id))),
  deleteSession: (id: string) => take(client.DELETE(SESSION, on(id))),

  forkSession: (id: string, body: ForkCreate) =>
    take(client.POST(`${SESSION}/fork`, { ...on(id), body })),
  branches: async (id: string) => (await take(client.GET(`${SESSION}/branches`, on(id)))).data,
  rewind: (id: string, to: string) =>
    take(client.POST(`${SESSION}/rewind`, { ...on(id), body: { to } })),
  shares: async (id: string) => (await take(client.GET(`${SESSION}/shares`, on(id)))).data,
  createShare: (id: string, hours: number) =>
    take(client.POST(`${SESSION}/shares`, { ...on(id), body: { expires_in_hours: hours } })),
  revokeShare: (session_id: string, share_id: string) =>
    take(
      client.DELETE(`${SESSION}/shares/{share_id}`, { params: { path: { session_id, share_id } } }),
    ),
  exportUrl: (id: string, format: ExportFormat) =>
    `/api/v1/sessions/${encodeURIComponent(id)}/export?format=${format}`,
  importSession: (file: Blob): Promise<Session> =>
    take(
      client.POST("/api/v1/sessions/import", {
        body: file as unknown as string,
        bodySerializer: (body) => body as unknown as BodyInit,
        headers: { "content-type": "application/x-ndjson" },
      }),
    ),

  /** Events from the end of the log backwards. */
  async events(id: string, { before, limit, types = [] }: EventQuery): Promise<Page<LogEvent>> {
    const query = new URLSearchParams({ limit: String(limit), order: "desc" });
    if (before !== null) query.set("before", String(before));
    for (const type of types) query.append("types[]", type);
    const options = { ...on(id), querySerializer: () => query.toString() };
    const found = await take(client.GET(`${SESSION}/events`, options));
    // The generated type knows the envelope; events.ts knows each event.
    return found as unknown as Page<LogEvent>;
  },
  /** Events beyond a seq, oldest first. */
  async eventsAfter(id: string, after: number, limit: number): Promise<readonly LogEvent[]> {
    const query = new URLSearchParams({ limit: String(limit), after: String(after) });
    const options = { ...on(id), querySerializer: () => query.toString() };
    const found = await take(client.GET(`${SESSION}/events`, options));
    return (found as unknown as Page<LogEvent>).data;
  },
  /** Commits events without a socket; the id makes sending them again harmless. */
  sendEvents: (id: string, clientId: string, events: readonly ClientEvent[]) =>
    take(
      client.POST(`${SESSION}/events`, {
        ...on(id),
        // The generated type wants what has a default; events.ts knows what is sent.
        body: { events } as unknown as SendEvents,
        headers: { "idempotency-key": clientId },
        // It goes out even if the page is left at once.
        keepalive: true,
      }),
    ),
  async context(id: string): Promise<Readonly<Record<string, Json>>> {
    return (await take(client.GET(`${SESSION}/context`, on(id)))) as Readonly<Record<string, Json>>;
  },

  files: (session_id: string, path: string) =>
    take(client.GET(`${SESSION}/files`, { params: { path: { session_id }, query: { path } } })),
  fileUrl(id: string, path: string, download: boolean): string {
    const query = new URLSearchParams({ path, ...(download ? { download: "true" } : {}) });
    return `/api/v1/sessions/${encodeURIComponent(id)}/files/content?${query}`;
  },
  /** Raises ApiError; the answer's body is the file. */
  async fileContent(id: string, path: string): Promise<Response> {
    const headers = { [HEADER]: nextRequestId() };
    const response = await fetch(api.fileUrl(id, path, false), { headers }).catch(() => {
      throw new NetworkError();
    });
    if (!response.ok) throw errorFrom(response.status, await response.json().catch(() => null));
    return response;
  },
  uploadedUrl: (fileId: string) => `/api/v1/files/${encodeURIComponent(fileId)}/content`,
};

export function isStatus(error: unknown, status: number): boolean {
  return error instanceof ApiError && error.status === status;
}
