// @ts-check
// The wind rose, and the magnetic field seen from above: both drawn on a compass.

import { compass } from '../lib/format.js';
import { s } from './dom.js';

const SIZE = 400;
const MIDDLE = SIZE / 2;
const RADIUS = 158;

/** @param {number} degrees clockwise from north @param {number} radius */
function at(degrees, radius) {
  const angle = (degrees * Math.PI) / 180;
  return [MIDDLE + radius * Math.sin(angle), MIDDLE - radius * Math.cos(angle)];
}

/** @param {number} degrees @param {number} radius */
const point = (degrees, radius) => at(degrees, radius).map((n) => n.toFixed(1)).join(' ');

function compassCard() {
  const marks = [0, 90, 180, 270].map((degrees) => {
    const [x, y] = at(degrees, RADIUS + 22);
    return s('text', { class: 'point', x, y: y + 5, 'text-anchor': 'middle' }, compass(degrees));
  });
  const ticks = Array.from({ length: 36 }, (_, i) => s('path', { class: 'ring', d: `M${point(i * 10, RADIUS)}L${point(i * 10, RADIUS + (i % 9 === 0 ? 9 : 5))}` }));
  return [...ticks, ...marks];
}

/** @param {number} from @param {number} to @param {number} inner @param {number} outer */
function wedge(from, to, inner, outer) {
  return `M${point(from, inner)}L${point(from, outer)}A${outer.toFixed(1)} ${outer.toFixed(1)} 0 0 1 ${point(to, outer)}L${point(to, inner)}A${inner.toFixed(1)} ${inner.toFixed(1)} 0 0 0 ${point(from, inner)}Z`;
}

/**
 * @param {import('../lib/rose.js').Rose} rose
 * @param {string} label
 * @param {string[]} classes
 */
export function roseChart(rose, label, classes) {
  const width = 360 / rose.sectors.length;
  const shares = rose.sectors.map((counts) => counts.reduce((sum, n) => sum + n, 0) / Math.max(1, rose.total));
  const step = [0.02, 0.05, 0.1, 0.2].find((n) => n * 5 >= Math.max(...shares)) ?? 0.2;
  const most = Math.max(step * Math.ceil(Math.max(...shares) / step), step);
  const core = 16;
  const radius = (/** @type {number} */ share) => core + (share / most) * (RADIUS - core);
  const rings = [];
  for (let share = step; share <= most + 1e-9; share += step) {
    const [x, y] = at(348.75, radius(share));
    rings.push(s('circle', { class: 'ring', cx: MIDDLE, cy: MIDDLE, r: radius(share) }), s('text', { x, y: y - 2, 'text-anchor': 'middle' }, `${Math.round(share * 100)} %`));
  }
  const petals = rose.sectors.flatMap((counts, i) => {
    let sum = 0;
    return counts.map((n, level) => {
      const inner = radius(sum / Math.max(1, rose.total));
      sum += n;
      const outer = radius(sum / Math.max(1, rose.total));
      if (n === 0) return null;
      const share = ((n / rose.total) * 100).toFixed(1);
      return s('path', { class: `petal s${level}`, d: wedge((i - 0.42) * width, (i + 0.42) * width, inner, outer) }, s('title', {}, `${compass(i * width)}, ${classes[level]}: ${share} %`));
    });
  });
  const calm = rose.total > 0 ? `${Math.round((rose.calm / rose.total) * 100)} %` : '–';
  return s('svg', { class: 'rose', viewBox: `0 0 ${SIZE} ${SIZE}`, role: 'img', 'aria-label': label }, ...compassCard(), ...rings, ...petals,
    s('circle', { class: 'ring', cx: MIDDLE, cy: MIDDLE, r: core }), s('text', { x: MIDDLE, y: MIDDLE + 4, 'text-anchor': 'middle' }, calm));
}

/**
 * The field in the x-y plane: x to the north, y to the east. Old points are faint; the newest has the arrow.
 * @param {{ x: number, y: number }[]} points  oldest first
 * @param {(value: number) => string} say
 * @param {string} label
 */
export function fieldChart(points, say, label) {
  const sizes = points.map(({ x, y }) => Math.hypot(x, y));
  const most = Math.max(...sizes, 1e-12) * 1.12;
  const rings = [0.25, 0.5, 0.75, 1].map((share) => s('circle', { class: 'ring', cx: MIDDLE, cy: MIDDLE, r: RADIUS * share }));
  const labels = [0.5, 1].map((share) => s('text', { x: MIDDLE + 4, y: MIDDLE - RADIUS * share - 3 }, say(most * share)));
  const dots = points.map(({ x, y }, i) => s('circle', { cx: (MIDDLE + (y / most) * RADIUS).toFixed(1), cy: (MIDDLE - (x / most) * RADIUS).toFixed(1), r: 2.2, 'fill-opacity': (0.08 + (0.5 * i) / points.length).toFixed(2) }));
  const last = points[points.length - 1];
  const arrow = last ? [s('path', { class: 'arrow', d: `M${MIDDLE} ${MIDDLE}L${(MIDDLE + (last.y / most) * RADIUS).toFixed(1)} ${(MIDDLE - (last.x / most) * RADIUS).toFixed(1)}` }), s('circle', { class: 'newest', cx: MIDDLE + (last.y / most) * RADIUS, cy: MIDDLE - (last.x / most) * RADIUS, r: 6 })] : [];
  return s('svg', { class: 'rose dots', viewBox: `0 0 ${SIZE} ${SIZE}`, role: 'img', 'aria-label': label }, ...rings, ...labels, ...compassCard(), ...dots, ...arrow);
}
