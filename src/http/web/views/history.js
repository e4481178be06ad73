// @ts-check
// History: charts of any range, with one cursor through all of them.

import { address, get } from '../api.js';
import { parseUtc, title } from '../lib/format.js';
import { NARROWEST_MS, PRESETS, describe, parseRange, printRange, resolve } from '../lib/range.js';
import { isNumeric, readingsOf } from '../lib/readings.js';
import { addRows, dropBefore, withTail } from '../lib/series.js';
import { dateTime, inputValue, localised, parseInput } from '../lib/zone.js';
import { Chart } from '../ui/chart.js';
import { fill, h, icon, s, setText, table } from '../ui/dom.js';
import { saveCsv, savePng, saveSvg } from '../ui/exports.js';
import { gapTable, stretches } from '../ui/gaps.js';
import { loadPlot } from '../ui/plot.js';

/** Told by a mark on the charts; what comes every few minutes is not. */
const UNMARKED = new Set(['stats', 'quarantined', 'schema_extended']);
const POINTS = 1000;
const COLUMNS_MOST = 8;

class History {
  /** @param {HTMLElement} root @param {import('../app.js').Context} context */
  constructor(root, { store, params, go }) {
    this.store = store;
    this.go = go;
    this.params = params;
    /** @type {Chart[]} */
    this.charts = [];
    /** @type {Map<string, Api.Series>} */
    this.series = new Map();
    /** @type {Api.Gap[]} */
    this.gaps = [];
    /** @type {Api.Event[]} */
    this.events = [];
    this.load = new AbortController();
    /** @type {import('../lib/readings.js').Reading[]} */
    this.all = [];
    /** @type {import('../lib/readings.js').Reading[]} */
    this.chosen = [];
    /** @type {import('../lib/range.js').Range} */
    this.range = parseRange(params, '24h');
    this.tailAt = 0;
    this.drawnAt = 0;
    this.moved = false;
    this.built = '';
    this.presets = h('div', { class: 'segments', role: 'group', 'aria-label': 'Range' }, PRESETS.map(({ key, name, long }) => h('button', { type: 'button', class: 'button', 'data-range': key, title: long, onclick: () => this.go({ range: key, from: undefined, to: undefined }) }, name)));
    this.from = h('input', { type: 'datetime-local', onchange: () => this.typed() });
    this.to = h('input', { type: 'datetime-local', onchange: () => this.typed() });
    this.columns = h('div', { class: 'columns no-print', role: 'group', 'aria-label': 'Readings shown' });
    this.words = h('p', { class: 'quiet', role: 'status' });
    this.area = h('div', { class: 'stack' });
    this.raw = h('p', { class: 'bar small no-print' });
    this.gapList = h('div');
    this.eventList = h('div');
    fill(root, this.frame());
    this.stops = [
      store.on('latest', () => this.update(this.params)),
      store.on('units', () => this.redraw()),
      store.on('theme', () => this.redraw()),
      store.on('resumed', () => this.fetchAll()),
      store.on('rows', (/** @type {Api.RowsOf[]} */ all) => this.takeRows(all)),
      store.on('tick', () => this.follow()),
    ];
    this.onResize = () => this.charts.forEach((chart) => chart.resize());
    addEventListener('resize', this.onResize);
    this.update(params);
  }

  frame() {
    const act = (/** @type {string} */ word, /** @type {string} */ label, /** @type {() => void} */ what) => h('button', { type: 'button', class: 'button', 'aria-label': label, title: label, onclick: what }, word);
    const saved = (/** @type {(charts: Chart[]) => void} */ save) => () => this.charts.length > 0 && save(this.charts);
    return h('div', { class: 'stack' },
      h('div', { class: 'section-head' }, h('h1', {}, 'History'), this.words),
      h('div', { class: 'bar no-print' }, this.presets,
        h('div', { class: 'segments', role: 'group', 'aria-label': 'Move in time' }, act('◀', 'Earlier', () => this.shift(-0.5)), act('−', 'Zoom out', () => this.scale(2)), act('+', 'Zoom in', () => this.scale(0.5)), act('▶', 'Later', () => this.shift(0.5)))),
      h('details', { class: 'more-tools no-print', open: innerWidth > 760 }, h('summary', {}, 'Dates, and files to keep'), h('div', { class: 'bar' }, h('label', { class: 'beside' }, 'From', this.from), h('label', { class: 'beside' }, 'To', this.to),
        h('div', { class: 'bar push' }, act('PNG', 'Save as PNG picture', saved(savePng)), act('SVG', 'Save as SVG drawing', saved(saveSvg)), act('PDF', 'Print, or save as PDF', () => print()), act('CSV', 'Save what is shown as CSV', saved(saveCsv))))),
      this.columns,
      h('p', { class: 'legend' }, ...legend()),
      this.area,
      this.raw,
      h('section', { class: 'sheet stack' }, h('h2', {}, 'Gaps in this range'), this.gapList),
      h('section', { class: 'sheet stack' }, h('h2', {}, 'Events in this range'), this.eventList));
  }

  /** @param {Record<string, string>} params */
  update(params) {
    this.params = params;
    const { routes } = this.store;
    if (routes.length === 0) return void fill(this.area, h('p', { class: 'quiet' }, 'Waiting for the recorder to say what it records.'));
    this.all = routes.flatMap(readingsOf).filter(isNumeric).sort((a, b) => Number(b.main) - Number(a.main));
    this.range = parseRange(params, '24h');
    const wanted = JSON.stringify([this.range, params.c, this.all.map(({ route, name }) => route + name)]);
    if (wanted === this.built) return;
    this.built = wanted;
    this.chosen = this.choose(params.c);
    this.showChoice();
    this.fetchAll();
  }

  /** @param {string | undefined} text  route.column,route.column */
  choose(text) {
    const { all } = this;
    const keys = (text ?? '').split(',');
    const named = all.filter((reading) => keys.includes(keyOf(reading)));
    if (named.length > 0) return named.slice(0, COLUMNS_MOST);
    return all.filter(({ main }) => main).slice(0, 4);
  }

  showChoice() {
    const { chosen } = this;
    for (const button of this.presets.children) button.setAttribute('aria-pressed', String(button.getAttribute('data-range') === this.range.key));
    fill(this.columns, this.all.map((reading) => {
      const on = chosen.includes(reading);
      const toggle = () => {
        const next = on ? chosen.filter((other) => other !== reading) : [...chosen, reading];
        if (next.length > 0) this.go({ c: next.map(keyOf).join(',') }, { replace: true });
        // The list is drawn anew: the focus stays where it was.
        /** @type {HTMLElement | null} */ (this.columns.querySelector(`[data-key="${CSS.escape(keyOf(reading))}"]`))?.focus();
      };
      return h('button', { type: 'button', class: 'button', 'aria-pressed': String(on), 'data-key': keyOf(reading), disabled: !on && chosen.length >= COLUMNS_MOST, onclick: toggle }, title(reading.name));
    }));
  }

  span() {
    return resolve(this.range, this.store.now(), this.store.oldestRow());
  }

  async fetchAll() {
    this.load.abort();
    this.load = new AbortController();
    const { signal } = this.load;
    const { from, to } = this.span();
    const { chosen } = this;
    this.area.classList.add('busy');
    this.sayRange();
    try {
      const routes = [...new Set(chosen.map(({ route }) => route))];
      const points = Math.min(POINTS, Math.max(200, this.area.clientWidth));
      const asked = routes.map((route) => get('series', { route, columns: this.namesOf(route).join(','), from: Math.floor(from), to: Math.ceil(to), points }, signal));
      const [plot, gaps, events, ...series] = await Promise.all([loadPlot(), get('gaps', { from: Math.floor(from), to: Math.ceil(to) }, signal), get('events', { since: Math.floor(from), until: Math.ceil(to), except: [...UNMARKED].join(','), limit: 500 }, signal), ...asked]);
      if (signal.aborted) return;
      this.gaps = gaps.gaps;
      this.events = events.events.filter((/** @type {Api.Event} */ event) => !UNMARKED.has(event.event) && (parseUtc(event.at) ?? 0) <= to);
      this.series = new Map(series.map((one) => [one.route, one]));
      this.tailAt = Date.now();
      this.build(plot);
    } catch (error) {
      if (!signal.aborted) this.failed(error);
    } finally {
      if (!signal.aborted) this.area.classList.remove('busy');
    }
  }

  /** @param {unknown} error */
  failed(error) {
    const hint = error instanceof Error && 'hint' in error ? String(error.hint) : '';
    this.charts.forEach((chart) => chart.destroy());
    this.charts = [];
    fill(this.area, h('div', { class: 'problem', role: 'alert' }, h('p', {}, error instanceof Error ? error.message : String(error)), hint && h('p', { class: 'quiet' }, hint), h('p', {}, h('button', { type: 'button', class: 'button', onclick: () => this.fetchAll() }, 'Ask again'))));
  }

  /** @param {string} route */
  namesOf(route) {
    return this.chosen.filter((reading) => reading.route === route).map(({ name }) => name);
  }

  /** @param {Plot.Constructor} plot */
  build(plot) {
    this.charts.forEach((chart) => chart.destroy());
    const { from, to } = this.span();
    const acts = { zoom: (/** @type {number} */ a, /** @type {number} */ b) => this.zoom(a, b), reset: () => this.reset(), move: (/** @type {Chart} */ _c, /** @type {number} */ ms) => this.charts.forEach((chart) => chart.moveCursor(ms)) };
    this.charts = this.chosen.flatMap((reading) => {
      const series = this.series.get(reading.route);
      if (!series) return [];
      const marks = this.events.map((event) => ({ at: parseUtc(event.at) ?? 0, event: event.event, detail: localised(event.detail, this.store.zone), severity: event.severity }));
      return [new Chart(plot, { reading, store: this.store, series, from, to, gaps: stretches(this.gaps, reading.route, this.store.now()), marks }, acts)];
    });
    fill(this.area, this.charts.map(({ element }) => element));
    this.charts.forEach((chart) => chart.draw());
    const file = (/** @type {string} */ route, /** @type {string} */ format) => h('a', { href: address('rows', { route, from: Math.floor(from), to: Math.ceil(to), format }), download: '' }, `${title(route)}, ${format === 'csv' ? 'CSV' : 'JSON Lines'}`);
    fill(this.raw, h('span', { class: 'quiet' }, 'All rows of this range, as recorded:'), [...this.series.keys()].flatMap((route) => [file(route, 'csv'), file(route, 'jsonl')]));
    fill(this.gapList, gapTable(this.gaps, this.store));
    fill(this.eventList, eventTable(this.events, this.store));
    this.sayRange();
  }

  redraw() {
    this.charts.forEach((chart) => chart.draw());
  }

  sayRange() {
    const { from, to, live } = this.span();
    const say = (/** @type {number} */ ms) => dateTime(ms, this.store.zone);
    setText(this.words, `${describe(this.range, say)}${live ? ', followed live' : ', not followed'}`);
    if (!this.from.matches(':focus')) this.from.value = inputValue(from, this.store.zone);
    if (!this.to.matches(':focus')) this.to.value = inputValue(to, this.store.zone);
  }

  typed() {
    const [from, to] = [parseInput(this.from.value, this.store.zone), parseInput(this.to.value, this.store.zone)];
    if (from !== null && to !== null && to > from) this.zoom(from, to);
  }

  /** @param {number} from @param {number} to */
  zoom(from, to) {
    const middle = (from + to) / 2;
    const half = Math.max(NARROWEST_MS, to - from) / 2;
    this.go({ ...printRange({ key: 'custom', from: Math.floor(middle - half), to: Math.ceil(middle + half) }) });
  }

  /** Back to the preset that was there before the zoom. */
  reset() {
    this.go({ from: undefined, to: undefined, range: this.params.range ?? '24h' });
  }

  /** @param {number} share */
  shift(share) {
    const { from, to } = this.span();
    const by = (to - from) * share;
    this.zoom(from + by, to + by);
  }

  /** @param {number} factor */
  scale(factor) {
    const { from, to, live } = this.span();
    const width = (to - from) * factor;
    // Zooming in at the live edge keeps the edge.
    if (live && factor < 1) this.zoom(to - width, to);
    else this.zoom((from + to) / 2 - width / 2, (from + to) / 2 + width / 2);
  }

  /** @param {Api.RowsOf[]} all */
  takeRows(all) {
    if (!this.span().live) return;
    for (const { route, rows, derived } of all) {
      const series = this.series.get(route);
      const columns = this.store.routes.find((known) => known.route === route)?.columns;
      if (!series || !columns || rows.length === 0) continue;
      addRows(series, columns.map(({ name }) => name), rows);
      const names = Object.keys(derived ?? {});
      addRows(series, names, [[rows[rows.length - 1][0], names.map((name) => derived?.[name] ?? null)]]);
    }
    this.moved = true;
  }

  /** The live edge: the window moves, and what was estimated from live rows is asked for again. */
  follow() {
    const { from, to, live } = this.span();
    if (!live || this.charts.length === 0) return;
    const bucket = Math.max(...[...this.series.values()].map((series) => series.bucket_ms));
    const step = Math.max(1000, (to - from) / 2000);
    if (!this.moved && Date.now() - this.drawnAt < step) return;
    this.moved = false;
    this.drawnAt = Date.now();
    this.charts.forEach((chart) => {
      dropBefore(chart.shown.series, from);
      chart.renew({ from, to, gaps: stretches(this.gaps, chart.shown.reading.route, this.store.now()) });
    });
    if (Date.now() - this.tailAt > Math.max(10000, bucket)) this.fetchTail();
  }

  async fetchTail() {
    this.tailAt = Date.now();
    const to = Math.ceil(this.store.now());
    for (const [route, series] of this.series) {
      // Two buckets before the last: rows that came late are in them.
      const from = (series.t[series.t.length - 1] ?? series.from_ms) - 2 * series.bucket_ms;
      try {
        const tail = await get('series', { route, columns: this.namesOf(route).join(','), from, to, bucket_ms: series.bucket_ms }, this.load.signal);
        Object.assign(series, withTail(series, tail));
      } catch {
        // Without an answer the live rows stand; `resumed` asks for everything again.
        return;
      }
    }
    this.moved = true;
  }

  leave() {
    this.load.abort();
    this.stops.forEach((stop) => stop());
    removeEventListener('resize', this.onResize);
    this.charts.forEach((chart) => chart.destroy());
  }
}

/** @param {import('../lib/readings.js').Reading} reading */
function keyOf(reading) {
  return `${reading.route}.${reading.name}`;
}

function legend() {
  const line = s('svg', { viewBox: '0 0 32 18', 'aria-hidden': 'true' }, s('path', { d: 'M1 11L12 5L20 13L31 7', fill: 'none', stroke: 'var(--trace)', 'stroke-width': 2.5 }));
  const band = s('svg', { viewBox: '0 0 32 18', 'aria-hidden': 'true' }, s('path', { d: 'M1 7L12 1L20 9L31 3V13L20 17L12 9L1 15Z', fill: 'var(--trace-fill)' }));
  const gap = s('svg', { viewBox: '0 0 32 18', 'aria-hidden': 'true' }, s('path', { d: 'M0 18L18 0M8 18L26 0M16 18L32 2M24 18L32 10M-8 18L10 0', stroke: 'var(--rule)', 'stroke-width': 2.5 }));
  const mark = s('svg', { viewBox: '0 0 32 18', 'aria-hidden': 'true' }, s('path', { d: 'M8 2H24L16 16Z', fill: 'var(--brass-line)' }));
  return [h('span', {}, line, 'mean'), h('span', {}, band, 'lowest to highest'), h('span', {}, gap, 'gap'), h('span', {}, mark, 'event'), h('span', { class: 'no-print' }, 'Drag to zoom, double click or 0 to reset')];
}

/** @param {Api.Event[]} events @param {import('../store.js').Store} store */
function eventTable(events, store) {
  if (events.length === 0) return h('p', { class: 'quiet' }, 'Nothing happened.');
  const rows = events.slice(0, 100).map((event) => [dateTime(parseUtc(event.at) ?? 0, store.zone), h('span', { class: event.severity === 'info' ? '' : event.severity === 'error' ? 'is-critical' : 'is-degraded' }, event.severity !== 'info' && icon(event.severity === 'error' ? 'critical' : 'degraded'), ` ${event.event.replace(/_/g, ' ')}`), localised(event.detail, store.zone)]);
  return h('div', {}, table('What happened, newest first', [{ name: 'When' }, { name: 'Event' }, { name: 'Detail' }], rows), h('p', { class: 'small' }, h('a', { href: '#/log' }, 'All events are in the log')));
}

/** @param {HTMLElement} root @param {import('../app.js').Context} context @returns {import('../app.js').View} */
export function mount(root, context) {
  const view = new History(root, context);
  return { update: (params) => view.update(params), leave: () => view.leave() };
}
