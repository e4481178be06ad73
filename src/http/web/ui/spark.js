// @ts-check
// The last hour of a reading on a strip of chart paper.

import { bandPath, linePath } from '../lib/svgchart.js';
import { s } from './dom.js';

const WIDTH = 240;
const HEIGHT = 64;
export const HOUR = 3600000;

/** Rules and arcs of the paper, each ten minutes. */
function paper() {
  let arcs = '';
  for (let x = -WIDTH / 12; x <= WIDTH; x += WIDTH / 6) arcs += `M${x} 0Q${x + 14} ${HEIGHT / 2} ${x} ${HEIGHT}`;
  let rules = '';
  for (let y = 8; y < HEIGHT; y += 8) rules += `M0 ${y}H${WIDTH}`;
  return [s('path', { class: 'rules', d: rules }), s('path', { class: 'arcs-fine', d: arcs })];
}

export function spark() {
  const band = s('path', { class: 'band' });
  const line = s('path', { class: 'trace' });
  const pen = s('path', { class: 'pen' });
  const element = s('svg', { class: 'spark', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': 'No rows in the last hour' }, ...paper(), band, line, pen);
  return { element, band, line, pen };
}

/**
 * @param {ReturnType<typeof spark>} strip
 * @param {{ t: number[], mean: (number | null)[], min: (number | null)[], max: (number | null)[] }} data
 * @param {number} now
 * @param {number} least  span of the scale, so that noise does not look like a storm
 * @param {string} label
 */
export function drawSpark(strip, data, now, least, label) {
  const known = [...data.min, ...data.max].filter((value) => value !== null);
  strip.element.setAttribute('aria-label', label);
  if (known.length === 0) {
    for (const part of [strip.band, strip.line, strip.pen]) part.setAttribute('d', '');
    return;
  }
  let [low, high] = [Math.min(...known), Math.max(...known)];
  const room = Math.max(least - (high - low), (high - low) * 0.2, 1e-9) / 2;
  [low, high] = [low - room, high + room];
  const x = (/** @type {number} */ at) => Math.min(WIDTH - 3, ((at - (now - HOUR)) / HOUR) * (WIDTH - 3));
  const y = (/** @type {number} */ value) => HEIGHT - ((value - low) / (high - low)) * HEIGHT;
  strip.band.setAttribute('d', bandPath(data, x, y));
  strip.line.setAttribute('d', linePath(data.t, data.mean, x, y));
  const last = data.mean.length - 1;
  const value = data.mean[last];
  strip.pen.setAttribute('d', value === null || value === undefined ? '' : `M${x(data.t[last]).toFixed(1)} ${y(value).toFixed(1)}h0`);
}

/** Where the wind comes from, as the pointer of a vane. */
export function vane() {
  const pointer = s('g', {}, s('path', { d: 'M20 5l5 22-5-4-5 4z', class: 'vane-pointer' }));
  const ticks = [0, 90, 180, 270].map((degrees) => s('path', { d: 'M20 1v4', transform: `rotate(${degrees} 20 20)` }));
  const element = s('svg', { class: 'vane', viewBox: '0 0 40 40', 'aria-hidden': 'true' }, s('circle', { cx: 20, cy: 20, r: 18.5 }), ...ticks, pointer);
  return { element, point: (/** @type {number} */ degrees) => pointer.setAttribute('transform', `rotate(${degrees} 20 20)`) };
}

