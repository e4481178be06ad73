// @ts-check
// When to try again: 1 s, doubled each time, at most 30 s; each a little shorter by chance, so that a
// thousand pages do not knock in step.

export const FIRST_MS = 1000;
export const LONGEST_MS = 30000;

/**
 * @param {number} failures  in a row, from 1
 * @param {number} chance  0 to 1
 */
export function waitMs(failures, chance) {
  const whole = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(Math.max(failures, 1) - 1, 10));
  return Math.round(whole * (0.75 + 0.25 * chance));
}
