// @ts-check
// One reading over time: mean as a line, lowest to highest as a band, gaps hatched, events as ticks.

import { compass, number, title } from '../lib/format.js';
import { drawable, rows, running, summary } from '../lib/series.js';
import { gapCause } from '../lib/health.js';
import { convert, digitsOf, shownUnit } from '../lib/units.js';
import { dateTime } from '../lib/zone.js';
import { fill, h, setText, table } from './dom.js';
import { hatch, inks, timeAxis } from './plot.js';

/**
 * @typedef {{ from: number, to: number, cause: string, detail: string, route: string | null }} Stretch
 * @typedef {{ at: number, event: string, detail: string, severity: string }} Mark
 * @typedef {{
 *   reading: import('../lib/readings.js').Reading, store: import('../store.js').Store, series: Api.Series,
 *   from: number, to: number, gaps: Stretch[], marks: Mark[],
 * }} Shown
 */

export class Chart {
  /**
   * @param {Plot.Constructor} plot
   * @param {Shown} shown
   * @param {{ zoom: (from: number, to: number) => void, reset: () => void, move: (chart: Chart, ms: number) => void }} acts
   */
  constructor(plot, shown, acts) {
    this.shown = shown;
    this.acts = acts;
    this.readout = h('span', { class: 'readout', 'aria-hidden': 'true' });
    this.heading = h('h2', {}, title(shown.reading.name));
    this.words = h('p', { class: 'quiet small' });
    this.canvas = h('div', { class: 'plot', tabindex: 0, role: 'img', onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event) });
    this.rows = h('div');
    this.list = h('details', { class: 'no-print', ontoggle: () => this.listRows() }, h('summary', {}, 'As a table'), this.rows);
    this.element = h('figure', { class: 'chart sheet', 'data-column': `${shown.reading.route}.${shown.reading.name}` }, h('figcaption', {}, this.heading, this.words, this.readout), this.canvas, this.list);
    this.plot = plot;
    /** @type {Plot.Instance | null} */
    this.drawn = null;
  }

  /** After the element is on the page, so that its width is known. */
  draw() {
    this.drawn?.destroy();
    const { store, reading } = this.shown;
    this.unit = shownUnit(reading.unit, store.units);
    this.drawn = new this.plot(this.options(), this.data(), this.canvas);
    this.say();
  }

  /** @param {Partial<Shown>} change */
  renew(change) {
    Object.assign(this.shown, change);
    if (!this.drawn) return;
    this.drawn.setData(this.data(), false);
    this.drawn.setScale('x', { min: this.shown.from, max: this.shown.to });
    this.say();
  }

  resize() {
    const width = this.canvas.clientWidth;
    if (this.drawn && width > 0 && width !== this.drawn.width) this.drawn.setSize({ width, height: this.height() });
  }

  height() {
    return Math.round(Math.min(320, Math.max(190, innerHeight * 0.26)));
  }

  shape() {
    const { reading, series, store } = this.shown;
    const to = (/** @type {number} */ value) => convert(value, reading.unit, store.units);
    return reading.how?.kind === 'counter_delta' ? running(series, reading.name, to) : drawable(series, reading.name, to, reading.direction);
  }

  /** @returns {(number | null)[][]} */
  data() {
    const { t, mean, min, max } = this.shape();
    return [t, mean, max, min];
  }

  digits() {
    const { reading, series, store } = this.shown;
    const sum = summary(series, reading.name);
    return digitsOf(this.unit ?? '', reading.kind, sum ? convert(sum.mean, reading.unit, store.units) : 0);
  }

  options() {
    const colours = inks();
    const axis = { stroke: colours.ink2, grid: { stroke: colours.fine, width: 1 }, ticks: { stroke: colours.rule, width: 1, size: 4 }, font: '12px system-ui, sans-serif' };
    const { from, to } = this.shown;
    return {
      width: Math.max(200, this.canvas.clientWidth), height: this.height(), ms: 1, pxAlign: 1,
      legend: { show: false },
      padding: [10, 20, 0, 0],
      scales: { x: { time: true, min: from, max: to, auto: false }, y: { range: (/** @type {unknown} */ _u, /** @type {number | null} */ low, /** @type {number | null} */ high) => this.limits(low, high) } },
      axes: [{ ...axis, values: timeAxis(), space: 70 }, { ...axis, size: 58, space: 26, ...this.ticks() }],
      series: [{}, { stroke: colours.trace, width: 1.6, points: { show: false } }, { width: 0, points: { show: false } }, { width: 0, points: { show: false } }],
      bands: [{ series: [2, 3], fill: colours.fill }],
      cursor: { sync: { key: 'history', setSeries: false, scales: ['x', null] }, drag: { x: true, y: false, setScale: false }, points: { size: 7, stroke: colours.trace, fill: colours.sheet }, bind: { dblclick: () => () => { this.acts.reset(); return null; } } },
      hooks: {
        drawAxes: [(/** @type {Plot.Instance} */ u) => this.drawGaps(u, colours)],
        draw: [(/** @type {Plot.Instance} */ u) => this.drawMarks(u, colours)],
        setSelect: [(/** @type {Plot.Instance} */ u) => this.selected(u)],
        setCursor: [(/** @type {Plot.Instance} */ u) => this.read(u)],
      },
    };
  }

  /** A direction is read by the compass, everything else in round numbers. */
  ticks() {
    if (!this.shown.reading.direction) return { values: (/** @type {unknown} */ _u, /** @type {number[]} */ ticks) => tickLabels(ticks) };
    return { splits: () => [0, 90, 180, 270, 360], values: () => ['N', 'E', 'S', 'W', 'N'] };
  }

  /** @param {number | null} low @param {number | null} high */
  limits(low, high) {
    if (this.shown.reading.direction) return [0, 360];
    if (low === null || high === null) return [0, 1];
    const room = Math.max((high - low) * 0.08, 10 ** -this.digits() * 2);
    return [low >= 0 && low < room * 2 ? 0 : low - room, high + room];
  }

  /** @param {Plot.Instance} u @param {ReturnType<typeof inks>} colours */
  drawGaps(u, colours) {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.fillStyle = hatch(ctx, colours.rule);
    for (const gap of this.shown.gaps) {
      const left = u.valToPos(gap.from, 'x', true);
      const right = u.valToPos(gap.to, 'x', true);
      ctx.fillRect(left, bbox.top, Math.max(2, right - left), bbox.height);
    }
    ctx.restore();
  }

  /** @param {Plot.Instance} u @param {ReturnType<typeof inks>} colours */
  drawMarks(u, colours) {
    const { ctx, bbox } = u;
    const size = 5 * devicePixelRatio;
    ctx.save();
    for (const mark of this.shown.marks) {
      const x = u.valToPos(mark.at, 'x', true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.fillStyle = mark.severity === 'info' ? colours.brass : mark.severity === 'error' ? colours.bad : colours.warn;
      ctx.beginPath();
      ctx.moveTo(x - size, bbox.top);
      ctx.lineTo(x + size, bbox.top);
      ctx.lineTo(x, bbox.top + size * 1.7);
      ctx.fill();
    }
    ctx.restore();
  }

  /** @param {Plot.Instance} u */
  selected(u) {
    if (u.select.width < 4) return;
    const [from, to] = [u.posToVal(u.select.left, 'x'), u.posToVal(u.select.left + u.select.width, 'x')];
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.acts.zoom(from, to);
  }

  /** @param {Plot.Instance} u  what is under the cursor */
  read(u) {
    const { left, idx } = u.cursor;
    if (left === null || left < 0) return this.readLast();
    const ms = u.posToVal(left, 'x');
    const gap = this.shown.gaps.find(({ from, to }) => ms >= from && ms <= to);
    const near = (this.shown.to - this.shown.from) / 120;
    const mark = this.shown.marks.find(({ at }) => Math.abs(at - ms) < near);
    const { store } = this.shown;
    if (gap) fill(this.readout, h('span', { class: 'gap-hover' }, `gap: ${gapCause(gap.cause)}, ${dateTime(gap.from, store.zone)} to ${dateTime(gap.to, store.zone)}`));
    else if (mark) fill(this.readout, h('span', {}, `${dateTime(mark.at, store.zone)}: ${mark.event.replace(/_/g, ' ')}, ${mark.detail.slice(0, 80)}`));
    else if (idx !== null) setText(this.readout, this.valueAt(u, idx));
  }

  /** @param {Plot.Instance} u @param {number} idx */
  valueAt(u, idx) {
    const [t, mean, max, min] = u.data.map((values) => values[idx]);
    if (t === null || t === undefined) return '';
    const at = dateTime(t, this.shown.store.zone);
    if (mean === null || mean === undefined) return `${at}: nothing recorded`;
    const digits = this.digits();
    if (this.shown.reading.direction) return `${at}: ${number(mean, 0)}° ${compass(mean)}`;
    const band = max !== min ? ` (${number(min, digits)} to ${number(max, digits)})` : '';
    return `${at}: ${number(mean, digits)} ${this.unit}${band}`;
  }

  readLast() {
    setText(this.readout, '');
  }

  /** The chart in words, for those who do not see it. */
  say() {
    const { reading, series, store } = this.shown;
    const sum = summary(series, reading.name);
    const digits = this.digits();
    const say = (/** @type {number} */ value) => `${number(convert(value, reading.unit, store.units), digits)} ${this.unit}`;
    const rain = reading.how?.kind === 'counter_delta';
    const text = !sum ? 'nothing recorded in this range'
      : rain ? `${say(sum.sum)} together`
        : reading.direction ? `now ${say(sum.last)} ${compass(sum.last)}`
          : `lowest ${say(sum.min)}, mean ${say(sum.mean)}, highest ${say(sum.max)}`;
    setText(this.words, text);
    const gaps = this.shown.gaps.length > 0 ? ` ${this.shown.gaps.length} gaps.` : '';
    this.canvas.setAttribute('aria-label', `${title(reading.name)} from ${dateTime(this.shown.from, store.zone)} to ${dateTime(this.shown.to, store.zone)}: ${text}.${gaps} The table below has the values.`);
    if (this.list.open) this.listRows();
  }

  listRows() {
    if (!this.list.open) return;
    const { reading, series, store } = this.shown;
    const digits = this.digits();
    const say = (/** @type {number} */ value) => number(convert(value, reading.unit, store.units), digits);
    const body = rows(series, reading.name, 48).map((row) => [dateTime(row.from, store.zone), say(row.min), say(row.mean), say(row.max)]);
    fill(this.rows, table(`${title(reading.name)}${this.unit ? ` in ${this.unit}` : ''}`, [{ name: 'From' }, { name: 'Lowest', number: true }, { name: 'Mean', number: true }, { name: 'Highest', number: true }], body));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const u = this.drawn;
    if (!u) return;
    const { from, to } = this.shown;
    const at = u.cursor.left !== null && u.cursor.left >= 0 ? u.posToVal(u.cursor.left, 'x') : (from + to) / 2;
    const step = (to - from) / 100;
    if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') {
      const there = at + (event.key === 'ArrowLeft' ? -step : step) * (event.shiftKey ? 10 : 1);
      this.acts.move(this, Math.min(to, Math.max(from, there)));
      this.readout.setAttribute('aria-hidden', 'false');
      this.readout.setAttribute('role', 'status');
    } else if (event.key === '+' || event.key === '=') this.acts.zoom(at - (to - from) / 4, at + (to - from) / 4);
    else if (event.key === '-') this.acts.zoom(from - (to - from) / 2, to + (to - from) / 2);
    else if (event.key === '0') this.acts.reset();
    else return;
    event.preventDefault();
  }

  /** @param {number} ms */
  moveCursor(ms) {
    this.drawn?.setCursor({ left: this.drawn.valToPos(ms, 'x'), top: 20 });
  }

  destroy() {
    this.drawn?.destroy();
    this.element.remove();
  }
}

/** As many decimals as the steps between ticks need. @param {number[]} ticks */
function tickLabels(ticks) {
  const step = ticks.length > 1 ? Math.abs(ticks[1] - ticks[0]) : 1;
  const digits = Math.max(0, Math.min(6, -Math.floor(Math.log10(step) + 1e-9)));
  // A step of 2.5 needs its half.
  const halves = Number(step.toFixed(digits)) !== Number(step.toPrecision(6)) ? 1 : 0;
  return ticks.map((tick) => number(tick, digits + halves));
}
