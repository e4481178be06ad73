// @ts-check
// Which way a reading goes: the slope of the straight line through the last hour.

/**
 * @param {number[]} t  milliseconds
 * @param {(number | null)[]} values
 * @returns {number | null} per hour; null with too little to tell
 */
export function slopePerHour(t, values) {
  const known = t.map((at, i) => [at, values[i]]).filter((pair) => pair[1] !== null && pair[1] !== undefined);
  if (known.length < 5) return null;
  const first = /** @type {number} */ (known[0][0]);
  const points = known.map(([at, value]) => [(Number(at) - first) / 3600000, Number(value)]);
  // Below a tenth of an hour noise would be taken for weather.
  if (points[points.length - 1][0] < 0.1) return null;
  const n = points.length;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n;
  const over = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const under = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return under > 0 ? over / under : null;
}

/**
 * A word and a sign for it. Steady is what the last shown decimal would hardly show in an hour, or what is
 * lost in the reading's own unrest.
 * @param {number | null} slope  per hour, in the shown unit
 * @param {number} digits  decimals shown
 * @param {number} spread  highest minus lowest of the hour, in the shown unit
 * @returns {{ word: string, icon: string }}
 */
export function trendOf(slope, digits, spread) {
  if (slope === null) return { word: '', icon: '' };
  const least = Math.max(2 * 10 ** -digits, spread * 0.35);
  if (Math.abs(slope) < least) return { word: 'steady', icon: 'steady' };
  return slope > 0 ? { word: 'rising', icon: 'rising' } : { word: 'falling', icon: 'falling' };
}

/**
 * The same for a direction, from how far apart its ends are on the circle.
 * @param {number} before  degrees
 * @param {number} after
 */
export function turnOf(before, after) {
  const turn = ((after - before + 540) % 360) - 180;
  if (Math.abs(turn) < 15) return { word: 'steady', icon: 'steady' };
  return turn > 0 ? { word: 'veering', icon: 'rising' } : { word: 'backing', icon: 'falling' };
}
