/** All keys at a glance, and the switch for those who press keys without meaning to. */
import { Fragment } from "react";
import { ui, useUi } from "../store/ui";
import { t } from "../strings";
import styles from "./shortcuts.module.css";
import { Key } from "./ui/controls";
import { Dialog } from "./ui/overlay";

type Entry = readonly [keys: readonly string[], what: string];

const s = t.shortcuts;
const GROUPS: readonly (readonly [title: string, entries: readonly Entry[]])[] = [
  [
    s.groups.write,
    [
      [["Enter"], s.send],
      [["Shift", "Enter"], s.newline],
      [["Ctrl", "Shift", "X"], s.interrupt],
      [["/"], s.focusComposer],
    ],
  ],
  [
    s.groups.answer,
    [
      [["Y"], s.allow],
      [["S"], s.allowSession],
      [["E"], s.edit],
      [["N"], s.deny],
    ],
  ],
  [
    s.groups.move,
    [
      [["Alt", "C"], s.newSession],
      [["Alt", "K"], s.search],
      [["Alt", "B"], s.sidebar],
      [["Alt", "F"], s.files],
      [["Alt", "Z"], s.focus],
      [["End"], s.latest],
      [["Esc"], s.escape],
      [["?"], s.help],
    ],
  ],
];

export function Shortcuts() {
  const open = useUi((state) => state.shortcuts);
  const singleKeys = useUi((state) => state.singleKeys);
  return (
    <Dialog open={open} onClose={() => ui.showShortcuts(false)} title={s.title}>
      {GROUPS.map(([title, entries]) => (
        <section key={title} className={styles.group}>
          <h3>{title}</h3>
          <dl>
            {entries.map(([keys, what]) => (
              <div key={what}>
                <dt>{what}</dt>
                <dd>
                  {keys.map((key, index) => (
                    <Fragment key={key}>
                      {index > 0 ? " " : null}
                      <Key>{key}</Key>
                    </Fragment>
                  ))}
                </dd>
              </div>
            ))}
          </dl>
          {title === s.groups.answer ? <p>{s.anywhere}</p> : null}
        </section>
      ))}
      <label className={styles.switch}>
        <input
          type="checkbox"
          checked={singleKeys}
          onChange={(event) => ui.setSingleKeys(event.target.checked)}
        />
        <span>
          {s.single}
          <small>{s.singleHint}</small>
        </span>
      </label>
    </Dialog>
  );
}
