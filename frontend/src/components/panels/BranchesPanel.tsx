/** The family of this session: what it was forked from, and what was forked from any of them. */
import { GitCompareArrows, X } from "lucide-react";
import { useEffect, useState } from "react";
import { api } from "../../api/client";
import type { Branch } from "../../api/types";
import { asTree, branchName } from "../../fold/family";
import { whenShort } from "../../lib/format";
import { comparePath, sessionPath } from "../../lib/routes";
import { useSession } from "../../store/session";
import { ui } from "../../store/ui";
import { t } from "../../strings";
import { follow } from "../sidebar/follow";
import { IconButton } from "../ui/controls";
import styles from "./branches.module.css";
import panelStyles from "./panels.module.css";

/** Deeper levels are not moved further to the right: there is no room, and the line says enough. */
const DEEPEST = 5;

export function BranchesPanel() {
  const id = useSession((state) => state.id);
  const title = useSession((state) => state.view.title);
  const [members, setMembers] = useState<readonly Branch[] | "loading" | "failed">("loading");
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new title is shown here, too
  useEffect(() => {
    let current = true;
    api.branches(id).then(
      (found) => current && setMembers(found),
      () => current && setMembers("failed"),
    );
    return () => {
      current = false;
    };
  }, [id, title]);
  return (
    <>
      <div className={panelStyles.head}>
        <h2 className={panelStyles.title}>{t.branches.title}</h2>
        <IconButton icon={X} label={t.branches.close} onClick={ui.closePanel} />
      </div>
      <div className={panelStyles.body}>
        {typeof members === "string" ? (
          <p className={panelStyles.empty}>{t.branches[members]}</p>
        ) : (
          <>
            <ul className={styles.tree}>
              {asTree(members).map(({ member, depth }) => (
                <Entry key={member.id} branch={member} depth={depth} current={id} />
              ))}
            </ul>
            <p className={styles.lead}>{t.branches.lead}</p>
          </>
        )}
      </div>
    </>
  );
}

interface EntryProps {
  readonly branch: Branch;
  readonly depth: number;
  readonly current: string;
}

function Entry({ branch, depth, current }: EntryProps) {
  const title = branchName(branch);
  const here = branch.id === current;
  const when = whenShort(Date.parse(branch.last_event_at), Date.now());
  const facts = [
    branch.forked_seq === null ? null : t.branches.leaves(branch.forked_seq),
    here ? t.branches.current : t.branches.when(when),
    branch.archived_at === null ? null : t.branches.archived,
  ].filter(Boolean);
  return (
    <li
      className={styles.entry}
      data-branch={branch.id}
      data-current={here}
      data-level={Math.min(depth, DEEPEST)}
    >
      <a
        className={styles.link}
        href={sessionPath(branch.id)}
        aria-current={here ? "page" : undefined}
        onClick={follow(sessionPath(branch.id))}
      >
        <span className={styles.name}>{title}</span>
        <span className={styles.facts}>{facts.join(" · ")}</span>
      </a>
      {here ? null : (
        <a
          className={panelStyles.get}
          href={comparePath(current, branch.id)}
          title={t.branches.compare}
          aria-label={t.branches.compareWith(title)}
          onClick={follow(comparePath(current, branch.id))}
        >
          <GitCompareArrows size={18} aria-hidden="true" />
        </a>
      )}
    </li>
  );
}
