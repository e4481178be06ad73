// @ts-check
// What a route's columns mean to a person: which are readings, which are only counters and clocks.

/**
 * @typedef {{
 *   route: string, name: string, unit: string | null, kind: string, derived: boolean, main: boolean,
 *   direction: boolean, min: number | null, max: number | null, how: Api.Derived | null,
 * }} Reading
 */

/** @param {string} name @param {string | null} unit */
function isDirection(name, unit) {
  return /direction|heading/.test(name) || unit === '°' || unit === 'deg';
}

/**
 * Derived ones first where they stand for a counter: nobody reads a counter.
 * @param {Api.Route} route
 * @returns {Reading[]}
 */
export function readingsOf(route) {
  const counters = new Set(route.derived.filter(({ kind }) => kind.startsWith('counter')).flatMap((derived) => derived.of));
  const scaled = new Set(route.derived.filter(({ kind }) => kind === 'scale').flatMap((derived) => derived.of));
  /** @type {Reading[]} */
  const columns = route.columns.map((column) => {
    const direction = isDirection(column.name, column.unit);
    const bare = column.kind === 'integer' && !column.unit && !direction;
    const main = column.kind !== 'json' && column.name !== route.time_column && !counters.has(column.name) && !scaled.has(column.name) && !bare;
    return { ...column, route: route.route, unit: column.unit ?? (direction ? '°' : null), derived: false, main, direction, how: null };
  });
  const derived = route.derived.map((how) => ({
    route: route.route, name: how.name, unit: how.unit, kind: 'real', derived: true, main: true,
    direction: how.kind === 'heading', min: null, max: null, how,
  }));
  return [...columns, ...derived];
}

/** Those that can be drawn. @param {Reading} reading */
export function isNumeric(reading) {
  return reading.kind === 'integer' || reading.kind === 'real';
}

/** @param {Api.Route[]} routes @param {(reading: Reading) => boolean} wanted */
export function find(routes, wanted) {
  return routes.flatMap(readingsOf).find(wanted) ?? null;
}

/** Where the wind comes from, and how fast it is. @param {Api.Route[]} routes */
export function windOf(routes) {
  for (const route of routes) {
    const all = readingsOf(route);
    const direction = all.find((reading) => reading.direction && /wind/.test(reading.name)) ?? all.find((reading) => reading.direction && !reading.derived);
    const speed = all.find((reading) => /^(m\/s|km\/h|kmh|mph|kn|kt|mps)$/.test(reading.unit ?? ''));
    if (direction && speed) return { route: route.route, direction, speed };
  }
  return null;
}

/** @param {Api.Route[]} routes */
export function rainOf(routes) {
  return find(routes, (reading) => reading.how?.kind === 'counter_delta' && /^(mm|in|inch)$/.test(reading.unit ?? ''));
}

/** The magnetometer's axes, its strength and heading. @param {Api.Route[]} routes */
export function fieldOf(routes) {
  for (const route of routes) {
    const strength = route.derived.find((derived) => derived.kind === 'magnitude' && derived.of.length >= 2);
    const heading = route.derived.find((derived) => derived.kind === 'heading');
    const of = strength?.of ?? heading?.of;
    if (of && (strength || heading)) return { route: route.route, x: of[0], y: of[1], strength: strength ?? null, heading: heading ?? null };
  }
  return null;
}
