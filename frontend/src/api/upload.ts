/** Uploading an attachment, with progress; fetch cannot report that of a request. */

import { HEADER } from "../lib/names";
import { errorFrom, NetworkError } from "./errors";
import { nextRequestId } from "./requestId";
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
      if (request.status === 200 && body) resolve(body as UploadedFile);
      else reject(errorFrom(request.status, body));
    };
    request.onerror = () => reject(new NetworkError());
    request.onabort = () => reject(new NetworkError());
  });
  const form = new FormData();
  form.append("file", file, file.name);
  request.open("POST", "/api/v1/files");
  request.setRequestHeader(HEADER, nextRequestId());
  request.send(form);
  return { done, cancel: () => request.abort() };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
