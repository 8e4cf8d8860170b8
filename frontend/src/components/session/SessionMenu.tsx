/** What can be done with the whole session, before what belongs to the whole page. */
import { FileCode, FileDown, FileText, GitFork, History, Share2 } from "lucide-react";
import { useState } from "react";
import { api } from "../../api/client";
import type { ExportFormat } from "../../api/types";
import { navigate } from "../../lib/router";
import { replayPath } from "../../lib/routes";
import { useSession } from "../../store/session";
import { ui } from "../../store/ui";
import { t } from "../../strings";
import { AppMenu } from "../AppMenu";
import { MenuItem, MenuLabel } from "../ui/overlay";
import { ShareDialog } from "./ShareDialog";

const FORMATS = [
  ["html", FileCode],
  ["markdown", FileText],
  ["jsonl", FileDown],
] as const satisfies readonly (readonly [ExportFormat, unknown])[];

export function SessionMenu() {
  const id = useSession((state) => state.id);
  const [sharing, setSharing] = useState(false);
  return (
    <>
      <AppMenu>
        <MenuItem icon={GitFork} onSelect={() => ui.togglePanel("branches")}>
          {t.header.branches}
        </MenuItem>
        <MenuItem icon={History} onSelect={() => navigate(replayPath(id))}>
          {t.header.replay}
        </MenuItem>
        <MenuItem icon={Share2} onSelect={() => setSharing(true)}>
          {t.header.share}
        </MenuItem>
        <MenuLabel>{t.header.exportAs}</MenuLabel>
        {FORMATS.map(([format, icon]) => (
          <MenuItem key={format} icon={icon} onSelect={() => save(api.exportUrl(id, format))}>
            {t.header.exports[format]}
          </MenuItem>
        ))}
      </AppMenu>
      <ShareDialog id={id} open={sharing} onClose={() => setSharing(false)} />
    </>
  );
}

/** The server names the file and says that it is one to keep. */
function save(url: string): void {
  const link = document.createElement("a");
  link.href = url;
  link.download = "";
  link.click();
}
