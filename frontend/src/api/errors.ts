/** What went wrong with a request, in words for the person. */
import { t } from "../strings";
import type { ApiErrorBody } from "./events";

export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly status: number,
    readonly type: string,
    message: string,
  ) {
    super(message);
  }
}

export class NetworkError extends Error {
  override readonly name = "NetworkError";
}

export async function errorOf(response: Response): Promise<ApiError> {
  let body: { error?: ApiErrorBody } = {};
  try {
    body = (await response.json()) as { error?: ApiErrorBody };
  } catch {
    // A proxy in between answered with a page of its own.
  }
  const message = body.error?.message ?? t.errors.status(response.status);
  return new ApiError(response.status, body.error?.type ?? "unknown", message);
}

/** One sentence that may be shown, whatever was thrown. */
export function wordsFor(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  if (error instanceof NetworkError) return t.errors.network;
  return t.errors.unexpected;
}
