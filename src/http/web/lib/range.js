// @ts-check
// The range of time that is looked at; it lives in the address.

const MINUTE = 60000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** @type {{ key: string, name: string, long: string, ms: number }[]} */
export const PRESETS = [
  { key: '30min', name: '30 min', long: 'the last 30 minutes', ms: 30 * MINUTE },
  { key: '1h', name: '1 h', long: 'the last hour', ms: HOUR },
  { key: '6h', name: '6 h', long: 'the last 6 hours', ms: 6 * HOUR },
  { key: '24h', name: '24 h', long: 'the last 24 hours', ms: DAY },
  { key: '7d', name: '7 d', long: 'the last 7 days', ms: 7 * DAY },
  { key: '30d', name: '30 d', long: 'the last 30 days', ms: 30 * DAY },
  { key: '1y', name: '1 y', long: 'the last year', ms: 365 * DAY },
  { key: 'all', name: 'All', long: 'everything recorded', ms: Infinity },
];

/** The narrowest that can be zoomed to. */
export const NARROWEST_MS = 10000;

/**
 * @typedef {{ key: string, from: number | null, to: number | null }} Range
 *   key: of a preset, or "custom" with from and to in milliseconds
 */

/**
 * @param {{ range?: string, from?: string, to?: string }} params  of the address
 * @param {string} fallback  key of the preset to take
 * @returns {Range}
 */
export function parseRange(params, fallback) {
  const [from, to] = [moment(params.from), moment(params.to)];
  if (from !== null && to !== null && to - from >= NARROWEST_MS) return { key: 'custom', from, to };
  const known = PRESETS.find((preset) => preset.key === params.range);
  return { key: known ? known.key : fallback, from: null, to: null };
}

/** @param {string | undefined} text  ISO, or milliseconds @returns {number | null} */
function moment(text) {
  if (!text) return null;
  const ms = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  return Number.isFinite(ms) ? ms : null;
}

/** @param {Range} range @returns {Record<string, string | undefined>} for the address */
export function printRange(range) {
  if (range.key !== 'custom' || range.from === null || range.to === null) {
    return { range: range.key, from: undefined, to: undefined };
  }
  return { range: undefined, from: iso(range.from), to: iso(range.to) };
}

/** Without the milliseconds nobody typed. @param {number} ms */
function iso(ms) {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}

/**
 * @param {Range} range
 * @param {number} now
 * @param {number | null} first  when the oldest row came
 * @returns {{ from: number, to: number, live: boolean }}
 */
export function resolve(range, now, first) {
  if (range.key === 'custom' && range.from !== null && range.to !== null) {
    return { from: range.from, to: range.to, live: false };
  }
  const preset = PRESETS.find(({ key }) => key === range.key) ?? PRESETS[3];
  if (preset.ms === Infinity) return { from: Math.min(first ?? now - 365 * DAY, now - HOUR), to: now, live: true };
  return { from: now - preset.ms, to: now, live: true };
}

/** In words. @param {Range} range @param {(ms: number) => string} say */
export function describe(range, say) {
  if (range.key === 'custom' && range.from !== null && range.to !== null) {
    return `${say(range.from)} to ${say(range.to)}`;
  }
  return (PRESETS.find(({ key }) => key === range.key) ?? PRESETS[3]).long;
}
