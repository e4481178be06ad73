// @ts-check
// From buckets of UTC to days of the local calendar: rain of each day, and how complete each day is.

import { localDays } from './zone.js';

/**
 * Sums of local days; a day that has no bucket at all is null, not 0.
 * @param {number[]} t  starts of buckets, in order, none of which crosses a local midnight
 * @param {(number | null)[]} values
 * @param {number} from
 * @param {number} to
 * @param {string} zone
 * @returns {{ start: number, end: number, name: string, sum: number | null }[]}
 */
export function sumByDay(t, values, from, to, zone) {
  let at = 0;
  return localDays(from, to, zone).map((day) => {
    let sum = /** @type {number | null} */ (null);
    while (at < t.length && t[at] < day.end) {
      const value = values[at];
      if (t[at] >= day.start && value !== null && value !== undefined) sum = (sum ?? 0) + value;
      at += 1;
    }
    return { ...day, sum };
  });
}

/**
 * How many rows an hour usually has: the count that nine hours of ten do not exceed.
 * @param {number[]} counts  of hours
 */
export function usualCount(counts) {
  const sorted = counts.filter((n) => n > 0).sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.9))] ?? 0;
}

/**
 * @typedef {{ start: number, end: number, name: string, count: number, share: number | null, gaps: Api.Gap[] }} CalendarDay
 *   share: 0 to 1; null where recording had not begun, or the day has not
 */

/**
 * @param {number[]} t  starts of buckets of one width
 * @param {(number | null)[]} counts
 * @param {number} bucket
 * @param {number} from
 * @param {number} now
 * @param {string} zone
 * @param {Api.Gap[]} gaps
 * @param {(text: string | null) => number | null} parse
 * @returns {CalendarDay[]}
 */
export function completeness(t, counts, bucket, from, now, zone, gaps, parse) {
  const usual = usualCount(counts.map((n) => n ?? 0));
  const first = t[0] ?? Infinity;
  const times = gaps.map((gap) => ({ gap, from: parse(gap.from) ?? 0, to: parse(gap.to) ?? now }));
  return sumByDay(t, counts, from, now, zone).map((day) => {
    const begins = Math.max(day.start, first);
    const ends = Math.min(day.end, now);
    const expected = (usual * (ends - begins)) / bucket;
    const known = day.end > first && ends > begins && usual > 0;
    return {
      start: day.start,
      end: day.end,
      name: day.name,
      count: day.sum ?? 0,
      share: known ? Math.min(1, (day.sum ?? 0) / Math.max(1, expected)) : null,
      gaps: times.filter((time) => time.from < day.end && time.to > day.start).map(({ gap }) => gap),
    };
  });
}

/** In words, and as a level from 0 to 4 for its shade. @param {number | null} share */
export function levelOf(share) {
  if (share === null) return { level: -1, word: 'not recorded yet' };
  if (share >= 0.995) return { level: 4, word: 'complete' };
  if (share >= 0.95) return { level: 3, word: 'nearly complete' };
  if (share >= 0.6) return { level: 2, word: 'gaps' };
  if (share > 0) return { level: 1, word: 'mostly missing' };
  return { level: 0, word: 'nothing' };
}
