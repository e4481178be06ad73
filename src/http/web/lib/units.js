// @ts-check
// Units: what the page shows instead of what the sensors say. Nothing is converted anywhere else.

/**
 * A quantity: for each unit, how a value in it becomes one in the base unit (the first), and how many
 * decimals are worth reading.
 * @typedef {{ factor: number, offset?: number, digits: number }} Unit
 * @typedef {Record<string, string>} Preferences  quantity -> unit
 */

/** @type {Record<string, { name: string, units: Record<string, Unit> }>} */
export const QUANTITIES = {
  temperature: {
    name: 'Temperature',
    units: {
      '°C': { factor: 1, digits: 1 },
      '°F': { factor: 5 / 9, offset: -160 / 9, digits: 1 },
    },
  },
  pressure: {
    name: 'Pressure',
    units: { hPa: { factor: 1, digits: 1 }, inHg: { factor: 33.863886666667, digits: 2 } },
  },
  speed: {
    name: 'Wind',
    units: {
      'm/s': { factor: 1, digits: 1 },
      'km/h': { factor: 1 / 3.6, digits: 1 },
      mph: { factor: 0.44704, digits: 1 },
      kn: { factor: 1852 / 3600, digits: 1 },
    },
  },
  rain: { name: 'Rain', units: { mm: { factor: 1, digits: 1 }, in: { factor: 25.4, digits: 2 } } },
  flux: {
    name: 'Magnetic field',
    units: { µT: { factor: 1, digits: 2 }, nT: { factor: 0.001, digits: 0 } },
  },
};

/** Spellings that mean a unit above, with the factor that leads to it. @type {Record<string, [string, number]>} */
const SPELLINGS = {
  C: ['°C', 1], degC: ['°C', 1], F: ['°F', 1], mbar: ['hPa', 1], Pa: ['hPa', 0.01], kPa: ['hPa', 10],
  mps: ['m/s', 1], kmh: ['km/h', 1], kt: ['kn', 1], kts: ['kn', 1], knots: ['kn', 1], inch: ['in', 1],
  T: ['µT', 1e6], mT: ['µT', 1e3], uT: ['µT', 1], 'μT': ['µT', 1], G: ['µT', 100],
};

/** Decimals of units that are not switched. @type {Record<string, number>} */
const OTHER_DIGITS = { '%': 1, 'W/m²': 0, '°': 0, V: 2, A: 2, s: 0, ms: 0 };

/** What is shown to somebody who never chose. @returns {Preferences} */
export function standard() {
  return Object.fromEntries(Object.entries(QUANTITIES).map(([key, { units }]) => [key, Object.keys(units)[0]]));
}

/**
 * @param {string | null | undefined} unit
 * @returns {{ quantity: string, unit: string, scale: number, per: string } | null}
 */
function recognised(unit) {
  if (!unit) return null;
  const exact = find(unit);
  if (exact) return { ...exact, per: '' };
  const rate = /^(.+)(\/(?:h|d|min))$/.exec(unit);
  const inner = rate && find(rate[1]);
  return inner ? { ...inner, per: rate[2] } : null;
}

/** @param {string} unit */
function find(unit) {
  const [name, scale] = Object.hasOwn(SPELLINGS, unit) ? SPELLINGS[unit] : [unit, 1];
  for (const [quantity, { units }] of Object.entries(QUANTITIES)) {
    if (Object.hasOwn(units, name)) return { quantity, unit: name, scale };
  }
  return null;
}

/**
 * A value in the unit that is wanted.
 * @param {number} value
 * @param {string | null | undefined} unit
 * @param {Preferences} wanted
 */
export function convert(value, unit, wanted) {
  const known = recognised(unit);
  if (!known) return value;
  const { units } = QUANTITIES[known.quantity];
  const from = units[known.unit];
  const to = units[wanted[known.quantity]] ?? from;
  // A unit onto itself is left alone: 5.1 stays 5.1 and does not become 5.1000000001.
  if (from === to) return known.scale === 1 ? value : value * known.scale;
  const base = value * known.scale * from.factor + (from.offset ?? 0);
  return (base - (to.offset ?? 0)) / to.factor;
}

/**
 * The same for a difference or a slope: 9 °F are 5 K, whatever zero is.
 * @param {number} value
 * @param {string | null | undefined} unit
 * @param {Preferences} wanted
 */
export function convertDifference(value, unit, wanted) {
  return convert(value, unit, wanted) - convert(0, unit, wanted);
}

/**
 * The unit that {@link convert} leads to.
 * @param {string | null | undefined} unit
 * @param {Preferences} wanted
 */
export function shownUnit(unit, wanted) {
  const known = recognised(unit);
  return known ? (wanted[known.quantity] ?? known.unit) + known.per : (unit ?? '');
}

/**
 * Decimals worth reading in a shown unit.
 * @param {string} unit  as {@link shownUnit} gave it
 * @param {string} [kind]  of the column
 * @param {number} [size]  of a usual value: a thousand needs no hundredths
 */
export function digitsOf(unit, kind, size = 0) {
  const known = recognised(unit);
  if (known) return QUANTITIES[known.quantity].units[known.unit].digits;
  if (Object.hasOwn(OTHER_DIGITS, unit)) return OTHER_DIGITS[unit];
  if (kind === 'integer') return 0;
  return Math.abs(size) >= 1000 ? 0 : Math.abs(size) >= 100 ? 1 : 2;
}

/**
 * Reads `units=°F,inHg` of the address or the store. What is unknown is left at its standard.
 * @param {string | null | undefined} text
 * @returns {Preferences}
 */
export function parsePreferences(text) {
  const wanted = standard();
  for (const name of (text ?? '').split(',')) {
    const known = name ? find(name) : null;
    if (known) wanted[known.quantity] = known.unit;
  }
  return wanted;
}

/** What differs from the standard; empty if nothing does. @param {Preferences} wanted */
export function printPreferences(wanted) {
  const usual = standard();
  return Object.keys(QUANTITIES)
    .filter((key) => wanted[key] && wanted[key] !== usual[key])
    .map((key) => wanted[key])
    .join(',');
}
