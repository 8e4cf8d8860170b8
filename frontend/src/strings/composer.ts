/** What a person writes: the message field, its settings, the queue. */
import { plural } from "./plural";

export const composerStrings = {
  queue: {
    title: (count: number) => `${plural(count, "message", "messages")} queued`,
    hint: "Sent one after the other when the agent is done.",
    edit: "Edit queued message",
    cancel: "Take back",
    save: "Save",
    back: "Back",
    full: "The queue is full. Wait until a message was worked on.",
  },
  composer: {
    label: "Message",
    placeholder: "Ask for something…",
    queuePlaceholder: "Write the next message; it is queued…",
    send: "Send",
    queue: "Add to the queue",
    stop: "Stop",
    stopping: "Stopping…",
    attach: "Attach files",
    remove: (name: string) => `Remove ${name}`,
    uploading: (percent: number) => `${percent} %`,
    uploadFailed: "Upload failed",
    dropHere: "Drop files to attach them",
    tooBig: (name: string, limit: string) => `${name} is larger than ${limit}.`,
    tooLong: (limit: string) => `This message is larger than ${limit}. Attach the text as a file.`,
    refusedSize: "This is larger than one message may be. Attach the text as a file.",
    hint: "Enter sends · Shift+Enter for a new line",
    model: "Model",
    mode: "Permissions",
    defaultModel: "Default model",
    waitUploads: "Wait until the files are uploaded.",
  },
  modes: {
    default: { name: "Ask first", hint: "Risky steps wait for your yes" },
    acceptEdits: { name: "Edit freely", hint: "File changes run, the rest asks" },
    plan: { name: "Plan only", hint: "Looks and plans, changes nothing" },
    dontAsk: { name: "Never ask", hint: "Whatever would ask is denied" },
    bypassPermissions: { name: "Allow all", hint: "Runs without asking, within the agent's rules" },
  } as Readonly<Record<string, { name: string; hint: string }>>,
} as const;
