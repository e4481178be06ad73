// A simulated year, exact for any moment: the same time gives the same reading, so history of any length
// costs nothing to keep. Counters are integrals of what they count.

const TAU = 2 * Math.PI;
const DAY = 86400000;
const HOUR = 3600000;

/** @param {number} n  whole */
function noise(n) {
  let x = Math.imul(n ^ 0x9e3779b9, 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
}

/** Smooth between whole steps. */
function wander(ms, step, salt) {
  const at = ms / step;
  const n = Math.floor(at);
  const f = at - n;
  const s = f * f * (3 - 2 * f);
  return (noise(n + salt) * (1 - s) + noise(n + 1 + salt) * s) * 2 - 1;
}

const WAVES = [[1.6, 5.3 * DAY, 1], [1.1, 1.03 * DAY, 2.2], [0.7, 3.1 * HOUR, 0.4], [0.35, 700000, 5], [0.2, 61000, 3]];
const WIND_MEAN = 4.1;

/** Metres of wind since 1970: the integral of WIND_MEAN and the waves, which is never negative. */
function windRun(ms) {
  const waves = WAVES.reduce((sum, [size, period, phase]) => sum - (size * period / TAU) * Math.cos((TAU * ms) / period + phase), 0);
  return (WIND_MEAN * ms + waves) / 1000;
}

export function windSpeed(ms) {
  return WIND_MEAN + WAVES.reduce((sum, [size, period, phase]) => sum + size * Math.sin((TAU * ms) / period + phase), 0);
}

const RAIN_STEP = HOUR;
const rainBefore = new Map();

/** Millimetres in this hour. */
function rainOfHour(n) {
  const wet = noise(Math.floor(n / 9) + 77) > 0.86;
  return wet ? noise(n + 990) ** 2 * 5 : 0;
}

/** Millimetres since the year began that is simulated. */
function rainTotal(ms, begin) {
  const first = Math.floor(begin / RAIN_STEP);
  const n = Math.floor(ms / RAIN_STEP);
  if (!rainBefore.has(first)) rainBefore.set(first, [0]);
  const sums = rainBefore.get(first);
  while (sums.length <= n - first) sums.push(sums[sums.length - 1] + rainOfHour(first + sums.length - 1));
  return (sums[Math.max(0, n - first)] ?? 0) + rainOfHour(n) * (ms / RAIN_STEP - n);
}

/** @param {number} ms @param {number} begin  of the record */
export function weather(ms, begin) {
  const season = Math.sin((TAU * ms) / (365.25 * DAY) - 1.9);
  const sun = Math.max(0, Math.sin((TAU * (ms / DAY + 0.415)) - Math.PI / 2));
  const temperature = 12 + 8 * season + 5.5 * Math.sin(TAU * (ms / DAY + 0.33) - Math.PI / 2) + 3 * wander(ms, 2.3 * DAY, 5) + 0.25 * wander(ms, 240000, 9);
  return {
    timestamp: Math.floor(ms / 1000),
    sample_interval: 5000,
    temperature: round(temperature, 2),
    humidity: round(Math.min(100, Math.max(12, 68 - 2.1 * (temperature - 12 - 8 * season) + 9 * wander(ms, 0.7 * DAY, 31))), 2),
    pressure: round(1011 + 11 * wander(ms, 2.8 * DAY, 41) + 2 * wander(ms, 0.4 * DAY, 53), 2),
    irradiance: round(sun * (780 + 180 * season) * (0.75 + 0.25 * wander(ms, 500000, 61)), 2),
    wind_direction: Math.round(((250 + 70 * wander(ms, 1.4 * DAY, 71) + 35 * wander(ms, 2 * HOUR, 73) + 14 * wander(ms, 40000, 75)) % 360 + 360) % 360),
    rain_gauge_count: Math.floor(rainTotal(ms, begin) / 0.2794),
    anemometer_count: Math.floor(1.5 * (windRun(ms) - windRun(begin))),
  };
}

export function field(ms) {
  return {
    x: Math.round(1115 + 14 * Math.sin((TAU * ms) / DAY) + 4 * wander(ms, HOUR, 81)),
    y: Math.round(-558 + 9 * Math.cos((TAU * ms) / DAY) + 4 * wander(ms, HOUR, 83)),
    z: Math.round(-305 + 6 * wander(ms, 0.6 * DAY, 87)),
  };
}

function round(value, digits) {
  return Number(value.toFixed(digits));
}
