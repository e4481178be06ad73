// @ts-check
// What can be computed from readings. The server does the same for ranges of history; these are for the
// live edge, and to be checked by hand.

/** Metres per second give so many counts of the anemometer each second. */
export const ANEMOMETER_COUNTS = 1.5;
/** Rain that tips the gauge's bucket once, in millimetres. */
export const RAIN_MM_PER_COUNT = 0.2794;
/** The magnetometer's least significant bit, in tesla. */
export const TESLA_PER_LSB = 9.174e-8;

/**
 * How far a counter went from one reading to the next. A counter that is smaller than before has begun
 * anew at zero (a reset), or, if its modulus is known and that is nearer, has wrapped.
 * @param {number | null | undefined} before
 * @param {number | null | undefined} after
 * @param {number | null} [modulus]  65536 for a counter of 16 bits
 * @returns {number | null}
 */
export function counterDelta(before, after, modulus = null) {
  if (before === null || before === undefined || after === null || after === undefined) return null;
  if (after >= before) return after - before;
  const wrapped = modulus === null ? null : after + modulus - before;
  // Half a turn between two readings is too far to be a wrap.
  if (modulus !== null && wrapped !== null && wrapped < modulus / 2) return wrapped;
  return after;
}

/**
 * @param {number | null | undefined} before
 * @param {number | null | undefined} after
 * @param {number} ms  between the two readings
 * @param {{ per?: number | null, factor?: number, offset?: number, modulus?: number | null }} [how]
 *   per: counts a second that mean 1
 * @returns {number | null}
 */
export function counterRate(before, after, ms, how = {}) {
  const delta = counterDelta(before, after, how.modulus ?? null);
  if (delta === null || !(ms > 0)) return null;
  return (delta / (ms / 1000) / (how.per ?? 1)) * (how.factor ?? 1) + (how.offset ?? 0);
}

/**
 * Dew point in °C by the Magnus formula over water, with a = 17.62 and b = 243.12 °C: WMO-No. 8, Guide to
 * Instruments and Methods of Observation, annex 4.B (after Sonntag, 1990). Good from -45 to 60 °C.
 * @param {number} celsius
 * @param {number} humidityPercent
 * @returns {number | null}
 */
export function dewPoint(celsius, humidityPercent) {
  if (!(humidityPercent > 0) || !Number.isFinite(celsius)) return null;
  const [a, b] = [17.62, 243.12];
  const gamma = Math.log(humidityPercent / 100) + (a * celsius) / (b + celsius);
  return (b * gamma) / (a - gamma);
}

/**
 * Pressure at sea level in the pressure's unit, by the barometric formula with the standard atmosphere's
 * lapse rate of 0.0065 K/m (ISO 2533; g·M/(R·L) = 5.2559) and the air's own temperature.
 * @param {number} pressure  at the station
 * @param {number} metres  of the station above sea level
 * @param {number} celsius  at the station
 */
export function seaLevelPressure(pressure, metres, celsius) {
  const lapse = 0.0065 * metres;
  return pressure * Math.pow(1 - lapse / (celsius + lapse + 273.15), -5.2559);
}

/** @param {(number | null | undefined)[]} parts @returns {number | null} */
export function magnitude(parts) {
  let sum = 0;
  for (const part of parts) {
    if (part === null || part === undefined) return null;
    sum += part * part;
  }
  return Math.sqrt(sum);
}

/**
 * Compass heading of the field in the sensor's plane: degrees clockwise from north, 0 to 360, with x to
 * the north and y to the east.
 * @param {number} x
 * @param {number} y
 * @param {number} [offset]  degrees to add: how the sensor is mounted, and the declination
 */
export function heading(x, y, offset = 0) {
  const degrees = (Math.atan2(y, x) * 180) / Math.PI + offset;
  return ((degrees % 360) + 360) % 360;
}
