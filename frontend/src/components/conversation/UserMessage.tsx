/** What the person said, and what can be done with it. */
import { memo, useState } from "react";
import type { ContentBlock } from "../../api/events";
import type { OutboxEntry } from "../../api/outbox";
import { textOf } from "../../fold/messages";
import type { UserItem } from "../../fold/view";
import { useController, useSession } from "../../store/session";
import { t } from "../../strings";
import { Button, CopyButton } from "../ui/controls";
import { Attachments } from "./Attachments";
import styles from "./rows.module.css";

const LONG = 320;
/** From here on only the beginning is shown at first: what follows it is what people come for. */
const VERY_LONG = 1800;
const MANY_LINES = 20;

export const UserMessage = memo(function UserMessage({ item }: { item: UserItem }) {
  return (
    <div className={styles.user}>
      <Content content={item.content} />
      {item.edited ? <p className={styles.foot}>{t.row.edited}</p> : null}
    </div>
  );
});

/** A message that is not on the log yet: on its way, kept for later, or refused. */
export function UnsentMessage({ entry }: { entry: OutboxEntry }) {
  const controller = useController();
  const live = useSession((state) => state.connection.phase === "live");
  const event = entry.events[0];
  if (event?.type !== "user.message") return null;
  const status = entry.refused ?? (live ? t.row.sending : t.row.kept);
  return (
    <div className={styles.user} data-waiting="true" data-unsent={entry.clientId}>
      <Content content={event.content} />
      <div className={styles.foot} data-tone={entry.refused ? "danger" : "plain"}>
        <span>{entry.refused ? `${t.row.refused}: ${status}` : status}</span>
        {entry.refused ? (
          <>
            <Button tone="quiet" onClick={() => controller.sender.resend(entry)}>
              {t.row.sendAgain}
            </Button>
            <Button tone="quiet" onClick={() => controller.sender.discard(entry.clientId)}>
              {t.row.discard}
            </Button>
            <CopyButton text={() => textOf(event.content)} label={t.row.copy} />
          </>
        ) : null}
      </div>
    </div>
  );
}

function Content({ content }: { content: readonly ContentBlock[] }) {
  const text = textOf(content);
  const [all, setAll] = useState(false);
  const veryLong = text.length > VERY_LONG || text.split("\n", MANY_LINES).length === MANY_LINES;
  return (
    <>
      {text ? (
        <p
          className={styles.userText}
          data-long={text.length > LONG || text.includes("\n")}
          data-clipped={veryLong && !all}
        >
          {text}
        </p>
      ) : null}
      {veryLong ? (
        <button
          type="button"
          className={styles.more}
          aria-expanded={all}
          onClick={() => setAll(!all)}
        >
          {all ? t.row.showLess : t.row.showWhole}
        </button>
      ) : null}
      <Attachments blocks={content} />
    </>
  );
}
