/** The resources of the gateway's API that the page reads. */
import type { ContentBlock, SessionState, Usage } from "./events";

export interface QueuedMessage {
  readonly id: string;
  readonly client_id?: string | null;
  readonly content: readonly ContentBlock[];
  readonly seq?: number;
}

export interface Session {
  readonly id: string;
  readonly title: string | null;
  readonly status: "idle" | "running" | "rescheduling" | "terminated";
  readonly state: SessionState;
  readonly seq: number;
  readonly model: string | null;
  readonly permission_mode: string;
  readonly queue: readonly QueuedMessage[];
  readonly pending: readonly string[];
  readonly cost_usd: number;
  readonly usage?: Usage | null;
  readonly agent?: { readonly id?: string | null; readonly name?: string | null } | null;
  readonly created_at: string;
  readonly updated_at: string;
  readonly archived_at: string | null;
}

export interface Model {
  readonly id: string;
  readonly name: string;
  readonly context_window: number;
}

export interface Me {
  readonly user: {
    readonly id: string;
    readonly name: string;
    readonly email: string;
    readonly role: string;
  };
  readonly tenant: { readonly id: string; readonly name: string };
  readonly scripted_model: boolean;
  readonly version: string;
  readonly models: readonly Model[];
  readonly permission_modes: readonly string[];
  readonly limits: {
    readonly message_bytes: number;
    readonly queue: number;
    readonly attachment_bytes: number;
  };
}

export interface Agent {
  readonly id: string;
  readonly name: string;
  readonly description?: string | null;
  readonly archived_at?: string | null;
}

export interface FileInfo {
  readonly name: string;
  readonly directory: boolean;
  readonly size: number;
  readonly modified_at: number;
}

export interface UploadedFile {
  readonly id: string;
  readonly filename: string;
  readonly mime_type: string;
  readonly size_bytes: number;
}

export interface Page<T> {
  readonly data: readonly T[];
  readonly has_more?: boolean;
  readonly next_page?: string | null;
}
