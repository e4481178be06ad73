// @ts-check
// Local time outside, UTC inside. Every function takes the zone, so that tests can be anywhere; on the
// page it is the browser's.

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/** The browser's zone. */
export function browserZone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** @param {string} zone */
function partsFormat(zone) {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit',
      hour: '2-digit', minute: '2-digit', second: '2-digit',
    });
    formats.set(zone, format);
  }
  return format;
}

/**
 * What a clock on the wall shows.
 * @param {number} ms
 * @param {string} zone
 */
export function wall(ms, zone) {
  /** @type {Record<string, number>} */
  const found = {};
  for (const { type, value } of partsFormat(zone).formatToParts(ms)) {
    if (type !== 'literal') found[type] = Number(value);
  }
  const { year, month, day, hour, minute, second } = found;
  return { year, month, day, hour, minute, second };
}

/**
 * How far the wall's clock is ahead of UTC, in milliseconds.
 * @param {number} ms
 * @param {string} zone
 */
export function offsetAt(ms, zone) {
  const at = wall(ms, zone);
  return Date.UTC(at.year, at.month - 1, at.day, at.hour, at.minute, at.second) - Math.floor(ms / 1000) * 1000;
}

/**
 * The moment at which the wall's clock shows this. A time that is skipped in spring is the moment of the
 * change's length later; of one that comes twice in autumn it is the first.
 * @param {number} year
 * @param {number} month  from 1
 * @param {number} day  may run over: 32 is the first of the next month
 * @param {number} hour
 * @param {number} minute
 * @param {string} zone
 */
export function momentOf(year, month, day, hour, minute, zone) {
  const asUtc = Date.UTC(year, month - 1, day, hour, minute);
  const around = [offsetAt(asUtc - 86400000, zone), offsetAt(asUtc + 86400000, zone)];
  const fits = around.map((offset) => asUtc - offset).filter((ms) => offsetAt(ms, zone) === asUtc - ms);
  return fits.length > 0 ? Math.min(...fits) : asUtc - around[0];
}

/**
 * Midnight that began this day. Where the clock is set at midnight, the first moment of the day.
 * @param {number} ms
 * @param {string} zone
 */
export function dayStart(ms, zone) {
  const at = wall(ms, zone);
  return startOf(at.year, at.month, at.day, zone);
}

/**
 * @param {number} year
 * @param {number} month
 * @param {number} day
 * @param {string} zone
 */
function startOf(year, month, day, zone) {
  return momentOf(year, month, day, 0, 0, zone);
}

/**
 * The local days that overlap a range; each of 23, 24 or 25 hours.
 * @param {number} from
 * @param {number} to
 * @param {string} zone
 * @returns {{ start: number, end: number, name: string }[]}
 */
export function localDays(from, to, zone) {
  const days = [];
  const at = wall(from, zone);
  for (let n = 0; n < 4000; n += 1) {
    const start = startOf(at.year, at.month, at.day + n, zone);
    if (start >= to) break;
    days.push({ start, end: startOf(at.year, at.month, at.day + n + 1, zone), name: dayName(start, zone) });
  }
  return days;
}

/** @param {number} n */
const two = (n) => String(n).padStart(2, '0');

/** "2026-03-29". @param {number} ms @param {string} zone */
export function dayName(ms, zone) {
  const at = wall(ms, zone);
  return `${at.year}-${two(at.month)}-${two(at.day)}`;
}

/** "02:07:31", and the date before it if that is not today's. @param {number} ms @param {string} zone @param {number} now */
export function clock(ms, zone, now) {
  const at = wall(ms, zone);
  const time = `${two(at.hour)}:${two(at.minute)}:${two(at.second)}`;
  return dayName(ms, zone) === dayName(now, zone) ? time : `${dayName(ms, zone)} ${time}`;
}

/** "2026-03-29 02:07:31". @param {number} ms @param {string} zone */
export function dateTime(ms, zone) {
  const at = wall(ms, zone);
  return `${dayName(ms, zone)} ${two(at.hour)}:${two(at.minute)}:${two(at.second)}`;
}

/** "UTC+10:00" at that moment. @param {number} ms @param {string} zone */
export function offsetName(ms, zone) {
  const minutes = Math.round(offsetAt(ms, zone) / 60000);
  const size = Math.abs(minutes);
  return `UTC${minutes < 0 ? '−' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

/** For <input type="datetime-local">. @param {number} ms @param {string} zone */
export function inputValue(ms, zone) {
  return dateTime(ms, zone).slice(0, 16).replace(' ', 'T');
}

/** @param {string} text  of <input type="datetime-local"> @param {string} zone @returns {number | null} */
export function parseInput(text, zone) {
  const parts = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)/.exec(text);
  if (!parts) return null;
  const [year, month, day, hour, minute] = parts.slice(1).map(Number);
  return momentOf(year, month, day, hour, minute, zone);
}

/**
 * Which buckets of UTC add up to local days of this range exactly: an hour, or a quarter of one where
 * the zone is not a whole number of hours from Greenwich.
 * @param {number} from
 * @param {number} to
 * @param {string} zone
 */
export function bucketForDays(from, to, zone) {
  const hour = 3600000;
  return localDays(from, to, zone).every((day) => day.start % hour === 0) ? hour : hour / 4;
}

/** A sentence of the recorder with its times of UTC as times of here. @param {string} text @param {string} zone */
export function localised(text, zone) {
  return text.replace(/(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d+)? ?(?:UTC|Z)/g, (whole, date, time) => {
    const ms = Date.parse(`${date}T${time}Z`);
    return Number.isNaN(ms) ? whole : dateTime(ms, zone);
  });
}
