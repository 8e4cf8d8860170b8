/** One level of the working directory; folders below open in place. */
import { ChevronRight, Download, File, FileCode, FileImage, FileText } from "lucide-react";
import { useEffect, useState } from "react";
import { api } from "../../api/client";
import type { FileInfo } from "../../api/types";
import { bytes } from "../../lib/format";
import { useSession } from "../../store/session";
import { t } from "../../strings";
import { kindOf } from "./fileKinds";
import styles from "./panels.module.css";

interface Props {
  readonly path: string;
  readonly version: number;
  readonly onOpen: (path: string) => void;
}

type Listing = { readonly files: readonly FileInfo[]; readonly truncated: boolean };

export function Folder({ path, version, onOpen }: Props) {
  const id = useSession((state) => state.id);
  const [listing, setListing] = useState<Listing | "loading" | "failed">("loading");
  // biome-ignore lint/correctness/useExhaustiveDependencies: another version means other files
  useEffect(() => {
    let current = true;
    api.files(id, path).then(
      (answer) => current && setListing(answer),
      () => current && setListing((old) => (typeof old === "string" ? "failed" : old)),
    );
    return () => {
      current = false;
    };
  }, [id, path, version]);
  if (listing === "loading") return <p className={styles.empty}>{t.files.loading}</p>;
  if (listing === "failed") {
    return (
      <p className={styles.empty} role="alert">
        {t.files.failed}
      </p>
    );
  }
  if (listing.files.length === 0) {
    return <p className={styles.empty}>{path === "" ? t.files.emptyRoot : t.files.empty}</p>;
  }
  const sorted = listing.files.toSorted(
    (a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name),
  );
  return (
    <ul className={path === "" ? "" : styles.nested}>
      {sorted.map((file) => {
        const full = path === "" ? file.name : `${path}/${file.name}`;
        return file.type === "directory" ? (
          <Subfolder key={full} name={file.name} path={full} version={version} onOpen={onOpen} />
        ) : (
          <Entry key={full} file={file} path={full} onOpen={onOpen} />
        );
      })}
      {listing.truncated ? <li className={styles.empty}>{t.files.truncated}</li> : null}
    </ul>
  );
}

function Subfolder({ name, path, version, onOpen }: Props & { readonly name: string }) {
  const [open, setOpen] = useState(false);
  return (
    <li>
      <div className={styles.entry}>
        <button
          type="button"
          className={styles.open}
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          <ChevronRight size={16} className={styles.folderChevron} aria-hidden="true" />
          <span className={styles.name}>{name}</span>
        </button>
      </div>
      {open ? <Folder path={path} version={version} onOpen={onOpen} /> : null}
    </li>
  );
}

const ICONS = { image: FileImage, markdown: FileText, text: FileCode, other: File } as const;

const rank = (file: FileInfo) => (file.type === "directory" ? 0 : 1);

interface EntryProps {
  readonly file: FileInfo;
  readonly path: string;
  readonly onOpen: (path: string) => void;
}

function Entry({ file, path, onOpen }: EntryProps) {
  const id = useSession((state) => state.id);
  const Icon = ICONS[kindOf(file.name)];
  return (
    <li className={styles.entry}>
      <button type="button" className={styles.open} onClick={() => onOpen(path)}>
        <Icon size={16} aria-hidden="true" />
        <span className={styles.name}>{file.name}</span>
        <span className={styles.size}>{bytes(file.size)}</span>
      </button>
      <a
        className={styles.get}
        href={api.fileUrl(id, path, true)}
        download
        aria-label={t.files.downloadNamed(file.name)}
        title={t.files.download}
      >
        <Download size={16} aria-hidden="true" />
      </a>
    </li>
  );
}
