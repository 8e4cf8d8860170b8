/** The gateway's resources under the names that the page uses; their shapes are generated. */
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Session = Schemas["SessionAnswer"];
export type QueuedMessage = Schemas["QueuedMessage"];
export type Me = Schemas["MeAnswer"];
export type Model = Schemas["ModelAnswer"];
export type Agent = Schemas["AgentAnswer"];
export type FileInfo = Schemas["WorkspaceFile"];
export type UploadedFile = Schemas["FileAnswer"];
export type SessionCreate = Schemas["SessionCreate"];
export type SessionUpdate = Schemas["SessionUpdate"];
export type Branch = Schemas["BranchAnswer"];
export type SendEvents = Schemas["SendEvents"];
export type ForkCreate = Schemas["ForkCreate"];
export type Share = Schemas["ShareAnswer"];
export type SharedSession = Schemas["SharedSession"];
export type ExportFormat = "jsonl" | "markdown" | "html";

export type PermissionMode = NonNullable<SessionCreate["permission_mode"]>;

export interface Page<T> {
  readonly data: readonly T[];
  readonly next_page?: string | null;
}
