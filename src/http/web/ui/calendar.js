// @ts-check
// The year as a calendar: each day shaded, and marked by shape, by how complete it is.

import { count, number, title } from '../lib/format.js';
import { levelOf } from '../lib/days.js';
import { gapCause } from '../lib/health.js';
import { h, s, table } from './dom.js';

const CELL = 13;
const LEFT = 26;
const TOP = 16;

/** @param {import('../lib/days.js').CalendarDay[]} days @param {string} label */
export function calendar(days, label) {
  if (days.length === 0) return h('p', { class: 'quiet' }, 'No days.');
  // The weekday by the calendar alone; a zone must not move it.
  const weekday = (/** @type {string} */ name) => (new Date(`${name}T00:00Z`).getUTCDay() + 6) % 7;
  const first = weekday(days[0].name);
  /** @type {SVGElement[]} */
  const months = [];
  const cells = days.map((day, i) => {
    const [column, row] = [Math.floor((first + i) / 7), (first + i) % 7];
    const [x, y] = [LEFT + column * CELL, TOP + row * CELL];
    if (day.name.endsWith('-01')) months.push(s('text', { x, y: TOP - 5 }, day.name.slice(0, 7)));
    return s('g', {}, s('rect', { class: `l${levelOf(day.share).level}`, x, y, width: CELL - 2, height: CELL - 2, rx: 2 }, s('title', {}, dayWords(day))), mark(levelOf(day.share).level, x, y));
  });
  const names = ['Mon', 'Wed', 'Fri'].map((name, i) => s('text', { x: 0, y: TOP + i * 2 * CELL + 9 }, name));
  const width = LEFT + (Math.floor((first + days.length - 1) / 7) + 1) * CELL;
  return h('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Calendar of the year' }, s('svg', { class: 'calendar', viewBox: `0 0 ${width} ${TOP + 7 * CELL}`, role: 'img', 'aria-label': label }, ...months, ...names, ...cells));
}

/** @param {number} level @param {number} x @param {number} y */
function mark(level, x, y) {
  const size = CELL - 2;
  if (level === 2) return s('circle', { class: 'mark-dot', cx: x + size / 2, cy: y + size / 2, r: 1.8 });
  if (level === 0 || level === 1) return s('path', { class: 'mark-x', d: `M${x + 3} ${y + 3}l${size - 6} ${size - 6}m0-${size - 6}l-${size - 6} ${size - 6}` });
  return null;
}

/** @param {import('../lib/days.js').CalendarDay} day */
export function dayWords(day) {
  const causes = [...new Set(day.gaps.map((gap) => gapCause(gap.cause)))];
  const share = day.share === null ? '' : `, ${number(day.share * 100, day.share > 0.995 ? 0 : 1)} %`;
  return `${day.name}: ${levelOf(day.share).word}${share}, ${count(day.count)} rows${causes.length > 0 ? `; ${causes.join(', ')}` : ''}`;
}

/** Every day as text. @param {import('../lib/days.js').CalendarDay[]} days @param {string} route */
export function calendarTable(days, route) {
  const rows = [...days].reverse().map((day) => [day.name, day.share === null ? '–' : `${number(day.share * 100, 1)} %`, count(day.count), levelOf(day.share).word, [...new Set(day.gaps.map((gap) => gapCause(gap.cause)))].join(', ')]);
  return table(`Completeness of ${title(route)}, day by day`, [{ name: 'Day' }, { name: 'Complete', number: true }, { name: 'Rows', number: true }, { name: 'In a word' }, { name: 'Gaps' }], rows);
}

export function calendarKey() {
  const shades = /** @type {[number, string][]} */ ([[4, 'complete'], [3, 'nearly'], [2, 'gaps'], [1, 'mostly missing'], [0, 'nothing'], [-1, 'not recorded yet']]);
  return h('p', { class: 'key' }, ...shades.map(([level, word]) => h('span', {}, s('svg', { class: 'calendar-key', viewBox: '0 0 13 13', 'aria-hidden': 'true' }, s('rect', { class: `l${level}`, x: 1, y: 1, width: 11, height: 11, rx: 2, stroke: 'var(--rule)', 'stroke-width': 0.6 }), mark(level, 1, 1)), word)));
}
