/** Taking a session's files back to what they were before a message. */
import { api } from "../api/client";
import { wordsFor } from "../api/errors";
import { t } from "../strings";
import { ui } from "./ui";

export async function rewindFiles(id: string, to: string): Promise<void> {
  try {
    await api.rewind(id, to);
    ui.toast(t.branch.rewound);
  } catch (error) {
    ui.complain(wordsFor(error));
  }
}
