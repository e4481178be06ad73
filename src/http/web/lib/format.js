// @ts-check
// Numbers, ages, sizes and times as people read them.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Between the digits' groups and before a unit: narrow, and never a line's end. */
export const THIN = '\u202f';
const NBSP = '\u00a0';

/**
 * @param {number | null | undefined} value
 * @param {number} digits  decimals
 */
export function number(value, digits) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const fixed = Math.abs(value).toFixed(digits);
  const [whole, rest] = fixed.split('.');
  const grouped = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, THIN) : whole;
  // No "−0.0".
  const minus = value < 0 && Number(fixed) !== 0 ? '−' : '';
  return minus + grouped + (rest ? `.${rest}` : '');
}

/** @param {number | null | undefined} value */
export function count(value) {
  return number(value, 0);
}

/**
 * How long ago, or how long: two units at most, so that it is read at once.
 * @param {number | null | undefined} ms
 */
export function duration(ms) {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return '–';
  const t = Math.max(0, ms);
  if (t < MINUTE) return `${Math.floor(t / SECOND)}${NBSP}s`;
  if (t < 10 * MINUTE) return two(t, MINUTE, 'min', SECOND, 's');
  if (t < HOUR) return `${Math.floor(t / MINUTE)}${NBSP}min`;
  if (t < DAY) return two(t, HOUR, 'h', MINUTE, 'min');
  if (t < 100 * DAY) return two(t, DAY, 'd', HOUR, 'h');
  return `${Math.floor(t / DAY)}${NBSP}days`;
}

/**
 * @param {number} t
 * @param {number} large
 * @param {string} largeName
 * @param {number} small
 * @param {string} smallName
 */
function two(t, large, largeName, small, smallName) {
  const first = Math.floor(t / large);
  const second = Math.floor((t - first * large) / small);
  return `${first}${NBSP}${largeName}${second ? ` ${second}${NBSP}${smallName}` : ''}`;
}

/** @param {number | null | undefined} ms */
export function milliseconds(ms) {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return '–';
  if (ms >= 10000) return duration(ms);
  return ms < 10 ? `${number(ms, 1)}${NBSP}ms` : `${number(ms, 0)}${NBSP}ms`;
}

/** @param {number | null | undefined} bytes */
export function bytes(bytes) {
  if (bytes === null || bytes === undefined || !Number.isFinite(bytes)) return '–';
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let power = 0;
  while (value >= 1024 && power < names.length - 1) {
    value /= 1024;
    power += 1;
  }
  return `${number(value, power > 0 && value < 100 ? 1 : 0)}${NBSP}${names[power]}`;
}

/**
 * "2026-11-23 16:27:19.923" (UTC, as the recorder writes it) in milliseconds since 1970.
 * @param {string | null | undefined} text
 * @returns {number | null}
 */
export function parseUtc(text) {
  const parts = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)/.exec(text ?? '');
  if (!parts) return null;
  const ms = Date.parse(`${parts[1]}T${parts[2]}Z`);
  return Number.isNaN(ms) ? null : ms;
}

/** For files and scripts: UTC, and says so. @param {number} ms */
export function isoUtc(ms) {
  return new Date(ms).toISOString();
}

/**
 * Compass points of a direction in degrees, clockwise from north.
 * @param {number} degrees
 */
export function compass(degrees) {
  const names = ['N', 'NNE', 'NE', 'ENE', 'E', 'ESE', 'SE', 'SSE', 'S', 'SSW', 'SW', 'WSW', 'W', 'WNW', 'NW', 'NNW'];
  return names[((Math.round(degrees / 22.5) % 16) + 16) % 16];
}

/** A column's name for people: "wind_direction" -> "Wind direction". @param {string} name */
export function title(name) {
  const words = name.replace(/_/g, ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/**
 * @param {number} n
 * @param {string} one
 * @param {string} [many]
 */
export function plural(n, one, many = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : many}`;
}
