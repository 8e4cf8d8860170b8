/** Play, pause, speed, and a slider over the log. Keys work wherever nobody types. */
import { Pause, Play, SkipBack, SkipForward } from "lucide-react";
import { useEffect } from "react";
import { useStore } from "zustand";
import type { LogEvent } from "../../api/events";
import { timeOf } from "../../fold/draft";
import { dateTime } from "../../lib/format";
import { isTyping } from "../../lib/keys";
import { type Playback, SPEEDS, type Speed } from "../../store/playback";
import { t } from "../../strings";
import { IconButton } from "../ui/controls";
import styles from "./replay.module.css";

interface Props {
  readonly playback: Playback;
  readonly events: readonly LogEvent[];
}

export function Player({ playback, events }: Props) {
  const count = useStore(playback.store, (state) => state.count);
  const playing = useStore(playback.store, (state) => state.playing);
  const speed = useStore(playback.store, (state) => state.speed);
  useKeys(playback);
  const event = events[count - 1];
  const at = event ? timeOf(event) : null;
  const text = t.replay.placeText(count, playback.total);
  return (
    <section className={styles.player} aria-label={t.replay.title}>
      <input
        type="range"
        className={styles.slider}
        min={0}
        max={playback.total}
        value={count}
        aria-label={t.replay.place}
        aria-valuetext={text}
        onChange={(change) => {
          playback.pause();
          playback.seek(Number(change.target.value));
        }}
      />
      <div className={styles.controls}>
        <IconButton icon={SkipBack} label={t.replay.previous} onClick={() => playback.step(-1)} />
        <IconButton
          icon={playing ? Pause : Play}
          label={playing ? t.replay.pause : t.replay.play}
          className={styles.play}
          onClick={() => playback.toggle()}
        />
        <IconButton icon={SkipForward} label={t.replay.next} onClick={() => playback.step(1)} />
        <span className={styles.place}>
          {text}
          {at === null ? null : <span className={styles.time}> · {dateTime(at)}</span>}
        </span>
        <label className={styles.speed}>
          <span className="visually-hidden">{t.replay.speed}</span>
          <select
            value={speed}
            onChange={(change) => playback.setSpeed(Number(change.target.value) as Speed)}
          >
            {SPEEDS.map((value) => (
              <option key={value} value={value}>
                {t.replay.speeds[value]}
              </option>
            ))}
          </select>
        </label>
      </div>
      <p className={styles.hint}>{t.replay.hint}</p>
    </section>
  );
}

function useKeys(playback: Playback): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      const typing = isTyping(event.target) && !isSlider(event.target);
      if (typing || !press(event, playback)) return;
      event.preventDefault();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [playback]);
}

/** A slider has arrow keys of its own; the others are for the replay. */
function isSlider(target: EventTarget | null): boolean {
  return target instanceof HTMLInputElement && target.type === "range";
}

/** True when the key meant the replay. Buttons keep the keys that press them. */
function press(event: KeyboardEvent, playback: Playback): boolean {
  const { count } = playback.store.getState();
  const element = event.target instanceof HTMLElement ? event.target : null;
  switch (event.key) {
    case " ":
      if (element?.closest("button, select, summary, a")) return false;
      playback.toggle();
      return true;
    case "ArrowRight":
    case "ArrowLeft":
      if (isSlider(element)) return false;
      playback.pause();
      playback.seek(count + (event.key === "ArrowRight" ? 1 : -1));
      return true;
    case "PageDown":
    case "PageUp":
      playback.pause();
      playback.step(event.key === "PageDown" ? 1 : -1);
      return true;
    default:
      return false;
  }
}
