// @ts-check
// How often the wind came from where, and how strongly.

/** Upper bounds of the classes in m/s: calm below the first, open above the last. */
export const CLASSES_MPS = [0.5, 2, 4, 6, 8, 11];
export const SECTORS = 16;

/**
 * @typedef {{ total: number, calm: number, sectors: number[][], meanSpeed: number | null }} Rose
 *   sectors: for each sector, clockwise from north, how many samples of each class above calm
 */

/**
 * @param {(number | null | undefined)[]} directions  degrees, where the wind comes from
 * @param {(number | null | undefined)[]} speeds  m/s, at the same moments
 * @param {number} [sectorCount]
 * @param {number[]} [bounds]
 * @returns {Rose}
 */
export function windRose(directions, speeds, sectorCount = SECTORS, bounds = CLASSES_MPS) {
  const sectors = Array.from({ length: sectorCount }, () => bounds.map(() => 0));
  let [total, calm, sum] = [0, 0, 0];
  directions.forEach((direction, i) => {
    const speed = speeds[i];
    if (speed === null || speed === undefined || direction === null || direction === undefined) return;
    total += 1;
    sum += speed;
    const level = bounds.filter((bound) => speed >= bound).length;
    if (level === 0) {
      calm += 1;
      return;
    }
    sectors[sectorOf(direction, sectorCount)][level - 1] += 1;
  });
  return { total, calm, sectors, meanSpeed: total > 0 ? sum / total : null };
}

/**
 * The first sector has north in its middle.
 * @param {number} degrees
 * @param {number} sectorCount
 */
export function sectorOf(degrees, sectorCount) {
  const width = 360 / sectorCount;
  return ((Math.round(degrees / width) % sectorCount) + sectorCount) % sectorCount;
}

/**
 * "0.5–2", "2–4", …, "over 11" in the shown unit.
 * @param {(mps: number) => string} say
 * @param {number[]} [bounds]
 */
export function classNames(say, bounds = CLASSES_MPS) {
  return bounds.map((bound, i) => (i + 1 < bounds.length ? `${say(bound)}–${say(bounds[i + 1])}` : `over ${say(bound)}`));
}

/** The sector from which the wind came most often; null if it was always calm. @param {Rose} rose */
export function prevailing(rose) {
  const sums = rose.sectors.map((counts) => counts.reduce((sum, n) => sum + n, 0));
  const most = Math.max(...sums);
  return most > 0 ? { degrees: (sums.indexOf(most) * 360) / sums.length, share: most / rose.total } : null;
}
