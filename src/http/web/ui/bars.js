// @ts-check
// Sums as bars: rain of hours and days.

import { number } from '../lib/format.js';
import { ticks } from '../lib/svgchart.js';
import { s } from './dom.js';

const HEIGHT = 200;
const LEFT = 34;
const BOTTOM = 24;

/**
 * @param {{ name: string, label: string, sum: number | null }[]} bars  label: below the axis, may be empty
 * @param {number} digits
 * @param {string} unit
 * @param {string} label
 */
export function barChart(bars, digits, unit, label) {
  // On a phone half as wide, so that its letters stay legible.
  const WIDTH = innerWidth > 760 ? 720 : 360;
  const every = innerWidth > 760 ? 1 : 3;
  const most = Math.max(...bars.map(({ sum }) => sum ?? 0), 4 * 10 ** -digits);
  const height = HEIGHT - BOTTOM - 12;
  const y = (/** @type {number} */ value) => HEIGHT - BOTTOM - (value / most) * height;
  const step = (WIDTH - LEFT) / Math.max(1, bars.length);
  const rules = ticks(0, most, 4).map((value) => [s('path', { d: `M${LEFT} ${y(value).toFixed(1)}H${WIDTH}` }), s('text', { x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end' }, number(value, value % 1 === 0 ? 0 : digits))]).flat();
  const columns = bars.map(({ name, sum }, i) => {
    const x = (LEFT + i * step + step * 0.1).toFixed(1);
    const width = Math.max(0.6, step * 0.8).toFixed(1);
    const what = sum === null ? 'not recorded' : `${number(sum, digits)} ${unit}`;
    const top = sum === null ? y(most) : y(sum);
    return s('rect', { class: sum === null ? 'none' : '', x, width, y: top.toFixed(1), height: Math.max(sum ? 1 : 0, HEIGHT - BOTTOM - top).toFixed(1) }, s('title', {}, `${name}: ${what}`));
  });
  const labels = bars.filter(({ label: below }) => below).map((bar, n) => n % every === 0 && s('text', { x: (LEFT + (bars.indexOf(bar) + 0.5) * step).toFixed(1), y: HEIGHT - 6, 'text-anchor': 'middle' }, bar.label));
  return s('svg', { class: 'bars', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': label }, ...rules, ...columns, ...labels, s('path', { d: `M${LEFT} ${HEIGHT - BOTTOM}H${WIDTH}` }));
}
