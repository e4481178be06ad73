// @ts-check
// Wind, rain and field: what is read on a compass, and by the hour and day.

import { get } from '../api.js';
import { sumByDay } from '../lib/days.js';
import { heading } from '../lib/derived.js';
import { compass, count, number } from '../lib/format.js';
import { PRESETS, describe, parseRange, resolve } from '../lib/range.js';
import { fieldOf, rainOf, windOf } from '../lib/readings.js';
import { classNames, prevailing, windRose } from '../lib/rose.js';
import { summary } from '../lib/series.js';
import { convert, digitsOf, shownUnit } from '../lib/units.js';
import { bucketForDays, dateTime, dayStart, wall } from '../lib/zone.js';
import { barChart } from '../ui/bars.js';
import { fill, h, s, setText, table } from '../ui/dom.js';
import { fieldChart, roseChart } from '../ui/rosechart.js';

const HOUR = 3600000;
const DAY = 24 * HOUR;
const RENEW_MS = 60000;

/** @param {HTMLElement} root @param {import('../app.js').Context} context @returns {import('../app.js').View} */
export function mount(root, { store, params, go }) {
  let range = parseRange(params, '24h');
  let load = new AbortController();
  let renewedAt = 0;
  let known = JSON.stringify(store.routes);
  let redraw = () => {};
  const presets = h('div', { class: 'segments', role: 'group', 'aria-label': 'Range' }, PRESETS.map(({ key, name, long }) => h('button', { type: 'button', class: 'button', 'data-range': key, title: long, onclick: () => go({ range: key, from: undefined, to: undefined }) }, name)));
  const words = h('p', { class: 'quiet', role: 'status' });
  const body = h('div', { class: 'stack' });
  fill(root, h('div', { class: 'stack' }, h('div', { class: 'section-head' }, h('h1', {}, 'Wind, rain and field'), words), h('div', { class: 'bar no-print' }, presets), body));

  const renew = async () => {
    if (store.routes.length === 0) return void fill(body, h('p', { class: 'quiet' }, 'Waiting for the recorder to say what it records.'));
    load.abort();
    load = new AbortController();
    const { signal } = load;
    renewedAt = Date.now();
    for (const button of presets.children) button.setAttribute('aria-pressed', String(button.getAttribute('data-range') === range.key));
    const span = resolve(range, store.now(), store.oldestRow());
    setText(words, describe(range, (ms) => dateTime(ms, store.zone)));
    body.classList.add('busy');
    try {
      const parts = await Promise.all([askWind(store, span, signal), askRain(store, span, signal), askField(store, span, signal)]);
      if (signal.aborted) return;
      redraw = () => fill(body, parts.map((draw) => draw()));
      redraw();
    } catch (error) {
      if (!signal.aborted) fill(body, h('div', { class: 'problem', role: 'alert' }, error instanceof Error ? error.message : String(error)));
    } finally {
      if (!signal.aborted) body.classList.remove('busy');
    }
  };
  const stops = [
    store.on('units', () => redraw()),
    store.on('resumed', renew),
    store.on('latest', () => {
      // Snapshots come again and again; only other routes are news.
      const next = JSON.stringify(store.routes);
      if (next !== known) renew();
      known = next;
    }),
    store.on('tick', () => Date.now() - renewedAt > RENEW_MS && store.contact.open && renew()),
  ];
  renew();
  return {
    update: (next) => {
      const wanted = parseRange(next, '24h');
      if (JSON.stringify(wanted) === JSON.stringify(range)) return;
      range = wanted;
      renew();
    },
    leave: () => {
      load.abort();
      stops.forEach((stop) => stop());
    },
  };
}

/** @typedef {{ from: number, to: number }} Span */

/** @param {string} name @param {string} what */
function absent(name, what) {
  return () => h('section', { class: 'sheet stack' }, h('h2', {}, name), h('p', { class: 'quiet' }, what));
}

/** @param {import('../store.js').Store} store @param {Span} span @param {AbortSignal} signal */
async function askWind(store, span, signal) {
  const wind = windOf(store.routes);
  if (!wind) return absent('Wind', 'No route has a direction and a speed. A speed can be derived from an anemometer’s counts: [[route.derived]], kind counter_rate.');
  /** @type {Api.Series} */
  const series = await get('series', { route: wind.route, columns: `${wind.direction.name},${wind.speed.name}`, from: Math.floor(span.from), to: Math.ceil(span.to), points: 3000 }, signal);
  const toMps = { ...store.units, speed: 'm/s' };
  const speeds = series.columns[wind.speed.name].last.map((value) => (value === null ? null : convert(value, wind.speed.unit, toMps)));
  const rose = windRose(series.columns[wind.direction.name].last, speeds);
  return () => drawWind(store, rose, series, wind.speed);
}

/**
 * @param {import('../store.js').Store} store
 * @param {import('../lib/rose.js').Rose} rose
 * @param {Api.Series} series
 * @param {import('../lib/readings.js').Reading} speed
 */
function drawWind(store, rose, series, speed) {
  const unit = store.units.speed;
  const say = (/** @type {number} */ mps) => number(convert(mps, 'm/s', store.units), unit === 'm/s' ? (mps % 1 === 0 ? 0 : 1) : 0);
  const classes = classNames(say);
  const most = prevailing(rose);
  const found = summary(series, speed.name);
  const strongest = found ? `${number(convert(found.max, speed.unit, store.units), digitsOf(unit))} ${unit}` : '–';
  const mean = rose.meanSpeed === null ? '–' : `${number(convert(rose.meanSpeed, 'm/s', store.units), digitsOf(unit))} ${unit}`;
  const text = most ? `Mostly from ${compass(most.degrees)} (${Math.round(most.share * 100)} %), mean ${mean}, strongest ${strongest}, calm ${Math.round((rose.calm / Math.max(1, rose.total)) * 100)} % of the time.` : 'No wind was recorded in this range.';
  const share = (/** @type {number} */ n) => number((n / Math.max(1, rose.total)) * 100, 1);
  const rows = rose.sectors.map((counts, i) => [compass((i * 360) / rose.sectors.length), ...counts.map((n) => (n === 0 ? '·' : share(n))), [counts.reduce((sum, n) => sum + n, 0)].map((n) => (n === 0 ? '·' : share(n)))[0]]);
  const key = classes.map((name, i) => h('span', {}, s('svg', { viewBox: '0 0 10 10', 'aria-hidden': 'true' }, s('rect', { class: `s${i}`, width: 10, height: 10 })), `${name} ${unit}`));
  return h('section', { class: 'sheet stack', 'data-part': 'wind' }, h('h2', {}, 'Where the wind came from'), h('p', {}, text),
    h('div', { class: 'pair' },
      h('div', { class: 'stack' }, roseChart(rose, `Wind rose. ${text}`, classes), h('p', { class: 'key' }, ...key)),
      h('div', {}, table('Per cent of the time, by direction and speed', [{ name: 'From' }, ...classes.map((name) => ({ name, number: true })), { name: 'All', number: true }], rows),
        h('p', { class: 'quiet small' }, `${count(rose.total)} samples: the last reading of each bucket. Calm, in the middle, is below ${say(0.5)} ${unit}.`))));
}

/** @param {import('../store.js').Store} store @param {Span} span @param {AbortSignal} signal */
async function askRain(store, span, signal) {
  const rain = rainOf(store.routes);
  if (!rain) return absent('Rain', 'No route has rain. It can be derived from a gauge’s counts: [[route.derived]], kind counter_delta.');
  const { zone } = store;
  const from = dayStart(Math.max(span.to - 366 * DAY, Math.min(span.from, span.to - 6 * DAY)), zone);
  const bucket = bucketForDays(from, span.to, zone);
  /** @type {Api.Series} */
  const series = await get('series', { route: rain.route, columns: rain.name, from, to: Math.ceil(span.to), bucket_ms: bucket, stats: 'sum' }, signal);
  const sums = series.columns[rain.name].sum;
  const days = sumByDay(series.t, sums, from, span.to, zone);
  return () => drawRain(store, rain, days, hoursOf(series, sums, span), span);
}

/** Of at most three days, the last. @param {Api.Series} series @param {(number | null)[]} sums @param {Span} span */
function hoursOf(series, sums, span) {
  const first = Math.ceil(Math.max(span.from, span.to - 3 * DAY) / HOUR) * HOUR;
  /** @type {{ start: number, sum: number | null }[]} */
  const hours = [];
  for (let start = first; start < span.to; start += HOUR) hours.push({ start, sum: null });
  series.t.forEach((t, i) => {
    const hour = hours[Math.floor((t - first) / HOUR)];
    const sum = sums[i];
    if (hour && sum !== null && sum !== undefined) hour.sum = (hour.sum ?? 0) + sum;
  });
  return hours;
}

/**
 * @param {import('../store.js').Store} store
 * @param {import('../lib/readings.js').Reading} rain
 * @param {{ name: string, sum: number | null }[]} days
 * @param {{ start: number, sum: number | null }[]} hours
 * @param {Span} span
 */
function drawRain(store, rain, days, hours, span) {
  const unit = shownUnit(rain.unit, store.units);
  const digits = digitsOf(unit);
  const to = (/** @type {number | null} */ value) => (value === null ? null : convert(value, rain.unit, store.units));
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  const each = Math.ceil(hours.length / 12);
  const byHour = hours.map(({ start, sum }, i) => ({ name: dateTime(start, store.zone).slice(0, 16), label: i % each === 0 ? `${two(wall(start, store.zone).hour)}:00` : '', sum: to(sum) }));
  const step = Math.ceil(days.length / 10);
  const byDay = days.map(({ name, sum }, i) => ({ name, label: i % step === 0 ? name.slice(5) : '', sum: to(sum) }));
  const total = byDay.reduce((all, { sum }) => all + (sum ?? 0), 0);
  const wettest = byDay.reduce((best, day) => ((day.sum ?? 0) > (best?.sum ?? 0) ? day : best), byDay[0]);
  const text = `${number(total, digits)} ${unit} in ${days.length} days${wettest?.sum ? `; the wettest was ${wettest.name} with ${number(wettest.sum, digits)} ${unit}` : ''}.`;
  const rows = [...byDay].reverse().map((day) => [day.name, day.sum === null ? 'not recorded' : number(day.sum, digits)]);
  return h('section', { class: 'sheet stack', 'data-part': 'rain' }, h('h2', {}, 'Rain'), h('p', {}, text),
    h('div', { class: 'pair' },
      h('figure', {}, h('h3', {}, `By the hour, ${unit}${span.to - span.from > 3 * DAY ? ' (last three days)' : ''}`), barChart(byHour, digits, unit, `Rain by the hour: ${number(byHour.reduce((all, { sum }) => all + (sum ?? 0), 0), digits)} ${unit} in ${hours.length} hours.`)),
      h('figure', {}, h('h3', {}, `By the day of ${store.zone}, ${unit}`), barChart(byDay, digits, unit, `Rain by the day: ${text}`))),
    h('details', { class: 'no-print' }, h('summary', {}, 'Days as a table'), table(`Rain of each day in ${unit}`, [{ name: 'Day' }, { name: unit, number: true }], rows)));
}

/** @param {import('../store.js').Store} store @param {Span} span @param {AbortSignal} signal */
async function askField(store, span, signal) {
  const field = fieldOf(store.routes);
  if (!field) return absent('Magnetic field', 'No route has a field. Its strength is derived from its axes: [[route.derived]], kind magnitude.');
  const names = [field.x, field.y, field.strength?.name, field.heading?.name].filter(Boolean);
  /** @type {Api.Series} */
  const series = await get('series', { route: field.route, columns: names.join(','), from: Math.floor(span.from), to: Math.ceil(span.to), points: 400 }, signal);
  return () => drawField(store, field, series);
}

/**
 * @param {import('../store.js').Store} store
 * @param {NonNullable<ReturnType<typeof fieldOf>>} field
 * @param {Api.Series} series
 */
function drawField(store, field, series) {
  const { strength } = field;
  const factor = strength?.factor ?? 1;
  const unit = strength?.unit ? shownUnit(strength.unit, store.units) : '';
  const to = (/** @type {number} */ raw) => convert(raw * factor, strength?.unit, store.units);
  const points = series.t.flatMap((_, i) => {
    const [x, y] = [series.columns[field.x].mean[i], series.columns[field.y].mean[i]];
    return x === null || y === null ? [] : [{ x: to(x), y: to(y) }];
  });
  const last = points[points.length - 1];
  const digits = digitsOf(unit, 'real', last?.x);
  const offset = field.heading?.offset ?? 0;
  const degrees = last ? heading(last.x, last.y, offset) : null;
  const size = strength ? summary(series, strength.name) : null;
  const say = (/** @type {number} */ value) => `${number(convert(value, strength?.unit, store.units), digits)} ${unit}`;
  const text = degrees === null ? 'No field was recorded in this range.' : `Points ${number(degrees, 0)}° (${compass(degrees)})${size ? `, strength now ${say(size.last)}, between ${say(size.min)} and ${say(size.max)}` : ''}.`;
  const each = Math.ceil(points.length / 12);
  const rows = series.t.flatMap((t, i) => {
    const point = points[i];
    if (i % each !== 0 || !point) return [];
    const all = strength ? series.columns[strength.name].mean[i] : null;
    const at = heading(point.x, point.y, offset);
    return [[dateTime(t, store.zone), number(point.x, digits), number(point.y, digits), all === null ? '–' : number(convert(all, strength?.unit, store.units), digits), `${number(at, 0)}° ${compass(at)}`]];
  });
  return h('section', { class: 'sheet stack', 'data-part': 'field' }, h('h2', {}, 'Magnetic field'), h('p', {}, text),
    h('div', { class: 'pair' },
      h('div', {}, fieldChart(points, (value) => `${number(value, digits)} ${unit}`, `The field in the sensor’s plane. ${text}`), h('p', { class: 'quiet small' }, 'Seen from above: x to the north, y to the east. Older points are fainter; the ring is the newest.')),
      h('div', {}, table('The field over time', [{ name: 'From' }, { name: `x, ${unit}`, number: true }, { name: `y, ${unit}`, number: true }, { name: `Strength, ${unit}`, number: true }, { name: 'Heading', number: true }], rows.reverse()),
        strength && h('p', {}, h('a', { href: `#/history?c=${field.route}.${strength.name}` }, 'Strength over time')))));
}
