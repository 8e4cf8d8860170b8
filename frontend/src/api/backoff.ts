/** How long to wait before connection attempt `attempt` (from 0): 1 s doubling to 30 s. */
export function backoffMs(attempt: number, random: number): number {
  const whole = Math.min(30_000, 1000 * 2 ** Math.min(attempt, 10));
  // Up to a fifth less, so that the pages of a restarted gateway do not all come at one moment.
  return Math.round(whole * (1 - 0.2 * random));
}

/**
 * The same after a gateway has handed its streams over: others are there, so at once, but not with
 * all of its pages in one moment.
 */
export function handoverMs(random: number): number {
  return Math.round(200 * random);
}
