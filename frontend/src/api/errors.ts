/** What went wrong with a request, in words for the person. */
import { t } from "../strings";

export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly status: number,
    readonly type: string,
    message: string,
    readonly requestId: string | null,
  ) {
    super(message);
  }
}

export class NetworkError extends Error {
  override readonly name = "NetworkError";
}

/** From an answer's status and body; a proxy in between may have sent a body of its own. */
export function errorFrom(status: number, body: unknown): ApiError {
  const error = field(body, "error");
  const message = field(error, "message");
  const type = field(error, "type");
  const requestId = field(body, "request_id");
  return new ApiError(
    status,
    typeof type === "string" ? type : "unknown",
    typeof message === "string" ? message : t.errors.status(status),
    typeof requestId === "string" ? requestId : null,
  );
}

/** One sentence that may be shown, whatever was thrown. */
export function wordsFor(error: unknown): string {
  if (error instanceof ApiError) {
    // Only where the gateway itself failed does anybody have to look into its log.
    const named = error.status === 500 && error.requestId !== null;
    return named ? t.errors.ofRequest(error.message, error.requestId) : error.message;
  }
  if (error instanceof NetworkError) return t.errors.network;
  return t.errors.unexpected;
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}
