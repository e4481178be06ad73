// @ts-check
// Now: a card for each reading.

import { get } from '../api.js';
import { compass, count, duration, number, title } from '../lib/format.js';
import { isNumeric, readingsOf } from '../lib/readings.js';
import { addRows, drawable, dropBefore, emptySeries, running, summary } from '../lib/series.js';
import { slopePerHour, trendOf, turnOf } from '../lib/trend.js';
import { convert, convertDifference, digitsOf, shownUnit } from '../lib/units.js';
import { dateTime } from '../lib/zone.js';
import { fill, h, icon, setText, tag } from '../ui/dom.js';
import { HOUR, drawSpark, spark, vane } from '../ui/spark.js';

const BUCKET = 60000;

/**
 * @typedef {ReturnType<typeof card>} Card
 * @typedef {{ route: Api.Route, readings: import('../lib/readings.js').Reading[], series: Api.Series, cards: Map<string, Card>, head: HTMLElement, age: HTMLElement, plain: HTMLElement }} Section
 */

/** @param {HTMLElement} root @param {import('../app.js').Context} context @returns {import('../app.js').View} */
export function mount(root, { store }) {
  /** @type {Section[]} */
  let sections = [];
  let known = '';
  let dirty = false;
  const body = h('div', { class: 'stack' });
  fill(root, h('h1', { class: 'unseen' }, 'Now'), body);

  const build = () => {
    const shape = JSON.stringify(store.routes);
    if (shape !== known) {
      known = shape;
      sections = store.routes.map((route) => section(route, store.now()));
      fill(body, sections.length > 0 ? sections.map(({ head }) => head) : h('p', { class: 'quiet' }, 'Waiting for the recorder to say what it records.'));
      sections.forEach((part) => lastHour(part, store).then(() => { dirty = true; }));
    }
    sections.forEach((part) => showSection(part, store));
    dirty = true;
  };
  const stops = [
    store.on('latest', build),
    store.on('units', build),
    store.on('resumed', () => sections.forEach((part) => lastHour(part, store).then(() => { dirty = true; }))),
    store.on('rows', (/** @type {Api.RowsOf[]} */ all) => {
      all.forEach((rows) => sections.filter(({ route }) => route.route === rows.route).forEach((part) => takeRows(part, rows)));
      sections.forEach((part) => showSection(part, store));
      dirty = true;
    }),
    store.on('tick', () => {
      sections.forEach((part) => showSection(part, store));
      if (dirty) sections.forEach((part) => drawSection(part, store));
      dirty = false;
    }),
  ];
  build();
  return { leave: () => stops.forEach((stop) => stop()) };
}

/** @param {Api.Route} route @param {number} now @returns {Section} */
function section(route, now) {
  const readings = readingsOf(route);
  const main = readings.filter((reading) => reading.main);
  const cards = new Map(main.map((reading) => [reading.name, card(reading)]));
  const age = h('p', { class: 'quiet small route-age' });
  const plain = h('dl', { class: 'plain' });
  const head = h('section', { class: 'readings', 'aria-label': title(route.route) },
    h('div', { class: 'section-head' }, h('h2', {}, title(route.route)), age),
    h('ul', { class: 'cards' }, ...[...cards.values()].map(({ element }) => element)),
    plain);
  const names = readings.filter(isNumeric).map(({ name }) => name);
  return { route, readings, series: emptySeries(route.route, names, now - HOUR, now, BUCKET), cards, head, age, plain };
}

/** @param {import('../lib/readings.js').Reading} reading */
function card(reading) {
  const value = h('span', { class: 'value' }, '–');
  const unit = h('span', { class: 'unit' });
  const trend = h('span', { class: 'trend' });
  const marks = h('span', { class: 'marks' });
  const age = h('span', { class: 'age' });
  const span = h('span', { class: 'span' });
  const strip = isNumeric(reading) ? spark() : null;
  const pointer = reading.direction ? vane() : null;
  const href = `#/history?c=${reading.route}.${reading.name}`;
  const element = h('li', { class: 'card', 'data-reading': `${reading.route}.${reading.name}` },
    h('div', { class: 'card-head' }, h('h3', {}, isNumeric(reading) ? h('a', { href }, title(reading.name)) : title(reading.name)), trend),
    h('p', { class: 'figure' }, pointer?.element, value, unit),
    marks,
    strip?.element,
    h('p', { class: 'card-foot' }, age, span));
  return { reading, element, value, unit, trend, marks, age, span, strip, pointer, marked: '', trended: '' };
}

/** @param {Section} part @param {import('../store.js').Store} store */
async function lastHour(part, store) {
  const now = store.now();
  const columns = part.readings.filter(isNumeric).map(({ name }) => name);
  if (columns.length === 0) return;
  try {
    part.series = await get('series', { route: part.route.route, columns: columns.join(','), from: now - HOUR, to: now, bucket_ms: BUCKET });
  } catch (error) {
    // The live rows still come; only the hour before them is not drawn.
    console.info(`The last hour of ${part.route.route} is not there: ${error instanceof Error ? error.message : error}`);
  }
}

/** @param {Section} part @param {Api.RowsOf} rows */
function takeRows(part, rows) {
  const { series, route } = part;
  addRows(series, route.columns.map(({ name }) => name), rows.rows);
  const newest = rows.rows[rows.rows.length - 1];
  if (newest && rows.derived) {
    const names = Object.keys(rows.derived);
    addRows(series, names, [[newest[0], names.map((name) => rows.derived?.[name] ?? null)]]);
  }
}

/** @param {Section} part @param {import('../store.js').Store} store */
function showSection(part, store) {
  const latest = store.latest.get(part.route.route);
  const at = latest?.received_at_ms ?? null;
  const age = at === null ? null : store.now() - at;
  const limit = part.route.silent_after_s;
  const silent = Boolean(latest?.silent) || (age !== null && limit !== null && age > limit * 1000);
  setText(part.age, at === null ? 'nothing recorded yet' : `${silent ? 'silent: ' : ''}newest row ${duration(age)} ago, at ${dateTime(at, store.zone)}`);
  part.head.classList.toggle('is-silent', silent);
  for (const one of part.cards.values()) showCard(one, latest, store, age, silent);
  showPlain(part, latest, store.zone);
}

/** @param {Section} part @param {Api.LatestRoute | undefined} latest @param {string} zone */
function showPlain(part, latest, zone) {
  const others = part.readings.filter((reading) => !reading.main);
  if (part.plain.children.length !== others.length) fill(part.plain, others.map(({ name }) => h('div', {}, h('dt', {}, title(name)), h('dd'))));
  others.forEach(({ name }, i) => {
    const value = latest?.values[name];
    // Seconds or milliseconds: the recorder takes both for a time column.
    const time = name === part.route.time_column && typeof value === 'number' ? value * (value < 1e11 ? 1000 : 1) : null;
    setText(part.plain.children[i].children[1], time !== null ? dateTime(time, zone) : typeof value === 'number' ? number(value, Number.isInteger(value) ? 0 : 2) : value === undefined || value === null ? '–' : String(value));
  });
}

/**
 * @param {Card} one
 * @param {Api.LatestRoute | undefined} latest
 * @param {import('../store.js').Store} store
 * @param {number | null} age
 * @param {boolean} silent
 */
function showCard(one, latest, store, age, silent) {
  const { reading } = one;
  const value = reading.derived ? latest?.derived[reading.name] : latest?.values[reading.name];
  const unit = shownUnit(reading.unit, store.units);
  setText(one.age, age === null ? 'no row yet' : `${duration(age)} ago`);
  if (reading.how?.kind === 'counter_delta') {
    // One reading's worth of rain says nothing; drawCard writes the sum of the hour.
    setText(one.unit, `${unit} in 1 h`);
  } else if (typeof value === 'number') {
    const shown = convert(value, reading.unit, store.units);
    setText(one.value, number(shown, digitsOf(unit, reading.kind, shown)));
    setText(one.unit, reading.direction ? `° ${compass(value)}` : unit);
    one.pointer?.point(value);
  } else {
    setText(one.value, value === null || value === undefined ? '–' : String(value));
    setText(one.unit, '');
  }
  const out = latest?.out_of_bounds.includes(reading.name) ?? false;
  const marked = `${out}${silent}${value === null}`;
  if (marked === one.marked) return;
  one.marked = marked;
  one.element.classList.toggle('is-out', out);
  fill(one.marks, out && tag('critical', `out of bounds${bounds(reading)}`), silent && tag('degraded', 'silent'), value === null && tag('unknown', 'no value'));
}

/** @param {import('../lib/readings.js').Reading} reading */
function bounds({ min, max }) {
  if (min !== null && max !== null) return ` (${count(min)} to ${count(max)})`;
  return min !== null ? ` (below ${count(min)})` : ` (above ${count(max)})`;
}

/** @param {Section} part @param {import('../store.js').Store} store */
function drawSection(part, store) {
  const now = store.now();
  dropBefore(part.series, now - HOUR);
  for (const one of part.cards.values()) drawCard(one, part.series, store, now);
}

/** @param {Card} one @param {Api.Series} series @param {import('../store.js').Store} store @param {number} now */
function drawCard(one, series, store, now) {
  const { reading, strip } = one;
  if (!strip) return;
  const to = (/** @type {number} */ value) => convert(value, reading.unit, store.units);
  const unit = shownUnit(reading.unit, store.units);
  const sum = summary(series, reading.name);
  if (!sum) return drawSpark(strip, { t: [], mean: [], min: [], max: [] }, now, 1, 'No rows in the last hour');
  const digits = digitsOf(unit, reading.kind, to(sum.mean));
  if (reading.how?.kind === 'counter_delta') {
    setText(one.value, number(to(sum.sum), digits));
    return drawSpark(strip, running(series, reading.name, to), now, 8 * 10 ** -digits, `Last hour: ${number(to(sum.sum), digits)} ${unit} together`);
  }
  const data = drawable(series, reading.name, to, reading.direction);
  const [low, high] = [to(sum.min), to(sum.max)].sort((a, b) => a - b);
  const span = `${number(low, digits)} to ${number(high, digits)}`;
  const mean = data.mean.filter((value) => value !== null);
  const slope = slopePerHour(series.t, series.columns[reading.name].mean);
  const trend = reading.direction ? turnOf(mean[0] ?? 0, mean[mean.length - 1] ?? 0)
    : trendOf(slope === null ? null : convertDifference(slope, reading.unit, store.units), digits, high - low);
  drawSpark(strip, data, now, 8 * 10 ** -digits, `Last hour: ${span} ${unit}${trend.word ? `, ${trend.word}` : ''}`);
  setText(one.span, reading.direction ? '' : span);
  if (trend.word === one.trended) return;
  one.trended = trend.word;
  fill(one.trend, trend.icon && icon(trend.icon), trend.word);
}
