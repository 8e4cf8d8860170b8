/** Uploading an attachment, with progress; fetch cannot report that of a request. */
import { t } from "../strings";
import { ApiError, NetworkError } from "./errors";
import type { UploadedFile } from "./types";

export interface Upload {
  readonly done: Promise<UploadedFile>;
  readonly cancel: () => void;
}

export function upload(file: File, onProgress: (fraction: number) => void): Upload {
  const request = new XMLHttpRequest();
  const done = new Promise<UploadedFile>((resolve, reject) => {
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    };
    request.onload = () => {
      const body = parse(request.responseText);
      if (request.status < 300 && body) resolve(body as unknown as UploadedFile);
      else reject(refusal(request.status, body));
    };
    request.onerror = () => reject(new NetworkError());
    request.onabort = () => reject(new NetworkError());
  });
  const form = new FormData();
  form.append("file", file, file.name);
  request.open("POST", "/api/v1/files");
  request.send(form);
  return { done, cancel: () => request.abort() };
}

function refusal(status: number, body: Record<string, unknown> | null): ApiError {
  const error = body?.["error"];
  const message =
    typeof error === "object" && error !== null && "message" in error
      ? String(error.message)
      : t.errors.status(status);
  return new ApiError(status, "upload", message);
}

function parse(text: string): Record<string, unknown> | null {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return null;
  }
}
