/** The session's working directory: browsed level by level, previewed, downloaded. */
import { ArrowLeft, Download, RefreshCw, X } from "lucide-react";
import { useEffect, useState } from "react";
import { api } from "../../api/client";
import { useSession } from "../../store/session";
import { ui } from "../../store/ui";
import { t } from "../../strings";
import { IconButton } from "../ui/controls";
import { FilePreview } from "./FilePreview";
import { Folder } from "./Folder";
import styles from "./panels.module.css";

export function FilesPanel() {
  const id = useSession((state) => state.id);
  const changes = useSession((state) => state.view.fileChanges);
  const [manual, setManual] = useState(0);
  const [shown, setShown] = useState<string | null>(null);
  const version = useSettled(changes) + manual;
  return (
    <>
      <div className={styles.head}>
        {shown === null ? (
          <h2 className={styles.title}>{t.files.title}</h2>
        ) : (
          <>
            <IconButton icon={ArrowLeft} label={t.files.back} onClick={() => setShown(null)} />
            <h2 className={styles.title} title={shown}>
              {shown.split("/").at(-1)}
            </h2>
            <a
              className={styles.get}
              href={api.fileUrl(id, shown, true)}
              download
              title={t.files.download}
              aria-label={t.files.downloadNamed(shown)}
            >
              <Download size={18} aria-hidden="true" />
            </a>
          </>
        )}
        <IconButton
          icon={RefreshCw}
          label={t.files.refresh}
          onClick={() => setManual(manual + 1)}
        />
        <IconButton icon={X} label={t.files.close} onClick={ui.closePanel} />
      </div>
      {shown === null ? null : <FilePreview key={`${shown}:${version}`} path={shown} />}
      <div className={styles.body} hidden={shown !== null}>
        <Folder path="" version={version} onOpen={setShown} />
      </div>
    </>
  );
}

/** The value, but at most once a second: a busy agent must not make the list flicker. */
function useSettled(value: number): number {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), 1000);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}
