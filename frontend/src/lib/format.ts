/** Numbers and times as people read them. */
import { t } from "../strings";

export function duration(ms: number): string {
  if (ms < 1000) return t.units.ms(Math.round(ms));
  const seconds = ms / 1000;
  if (seconds < 10) return t.units.s(seconds.toFixed(1));
  if (seconds < 60) return t.units.s(String(Math.round(seconds)));
  const whole = Math.round(seconds);
  if (whole < 3600) return t.units.min(Math.floor(whole / 60), whole % 60);
  return t.units.h(Math.floor(whole / 3600), Math.floor((whole % 3600) / 60));
}

export function money(usd: number): string {
  if (usd === 0) return "$0.00";
  if (usd < 0.01) return `$${usd.toFixed(4)}`;
  return `$${usd.toFixed(2)}`;
}

export function count(value: number): string {
  if (value < 1000) return String(value);
  if (value < 100_000) return `${(value / 1000).toFixed(1).replace(/\.0$/, "")}k`;
  if (value < 1_000_000) return `${Math.round(value / 1000)}k`;
  return `${(value / 1_000_000).toFixed(1).replace(/\.0$/, "")}M`;
}

export function bytes(value: number): string {
  if (value < 1024) return `${value} B`;
  if (value < 1024 ** 2) return `${(value / 1024).toFixed(value < 10_240 ? 1 : 0)} kB`;
  if (value < 1024 ** 3) return `${(value / 1024 ** 2).toFixed(1)} MB`;
  return `${(value / 1024 ** 3).toFixed(1)} GB`;
}

export function clock(at: number): string {
  return new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

/** Day and time, in the person's own way. */
export function dateTime(at: number): string {
  return new Date(at).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

/** A time for lists: the hour today, the weekday this week, else the date. */
export function whenShort(at: number, now: number): string {
  const date = new Date(at);
  if (date.toDateString() === new Date(now).toDateString()) return clock(at);
  if (now - at < 6 * 86_400_000) return date.toLocaleDateString([], { weekday: "short" });
  return date.toLocaleDateString([], { day: "numeric", month: "short" });
}
