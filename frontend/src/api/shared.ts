/** What a link shows. Who has one is not signed in: the token goes into a header of each request. */
import { ApiError, errorFrom, NetworkError } from "./errors";
import type { LogEvent } from "./events";
import type { Page, SharedSession } from "./types";

const PATH = "/api/v1/shared";

export class SharedApi {
  constructor(private readonly token: string) {}

  async head(): Promise<SharedSession> {
    return (await (await this.get("")).json()) as SharedSession;
  }

  async events(after: number, limit: number): Promise<readonly LogEvent[]> {
    const query = new URLSearchParams({ after: String(after), limit: String(limit) });
    const page = (await (await this.get(`/events?${query}`)).json()) as Page<LogEvent>;
    return page.data;
  }

  /** A picture as an address that this page can show. */
  async picture(fileId: string): Promise<string> {
    const answer = await this.get(`/files/${encodeURIComponent(fileId)}`);
    return URL.createObjectURL(await answer.blob());
  }

  private async get(path: string): Promise<Response> {
    // What cannot be in a header is no token: the server would say the same.
    if (!/^[\w-]{1,200}$/.test(this.token)) throw new ApiError(404, "not_found_error", "", null);
    const headers = { "x-share-token": this.token };
    const answer = await fetch(PATH + path, { headers, credentials: "omit" }).catch(() => {
      throw new NetworkError();
    });
    if (!answer.ok) throw errorFrom(answer.status, await answer.json().catch(() => null));
    return answer;
  }
}
