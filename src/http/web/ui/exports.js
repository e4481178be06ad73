// @ts-check
// What is shown, as a file: PNG, SVG, CSV. (PDF is the browser's print.)

import { isoUtc, title } from '../lib/format.js';
import { csv } from '../lib/csv.js';
import { gapCause } from '../lib/health.js';
import { svgCharts } from '../lib/svgchart.js';
import { convert } from '../lib/units.js';
import { dateTime, offsetName } from '../lib/zone.js';
import { download } from './dom.js';
import { inks } from './plot.js';

/** @param {import('./chart.js').Chart[]} charts @param {string} ending */
function fileName(charts, ending) {
  const { from, to } = charts[0].shown;
  const stamp = (/** @type {number} */ ms) => isoUtc(ms).slice(0, 16).replace(/[:T]/g, '-');
  return `barograph-${stamp(from)}-to-${stamp(to)}.${ending}`;
}

/** @param {import('./chart.js').Chart[]} charts */
function headingOf(charts) {
  const { from, to, store } = charts[0].shown;
  return `${dateTime(from, store.zone)} to ${dateTime(to, store.zone)} (${store.zone}, ${offsetName(to, store.zone)})`;
}

/** @param {import('./chart.js').Chart[]} charts */
export function savePng(charts) {
  const colours = inks();
  const canvases = charts.map((chart) => /** @type {HTMLCanvasElement} */ (chart.canvas.querySelector('canvas')));
  const ratio = devicePixelRatio || 1;
  const head = 34 * ratio;
  const sheet = document.createElement('canvas');
  sheet.width = Math.max(...canvases.map(({ width }) => width)) + 24 * ratio;
  sheet.height = canvases.reduce((sum, { height }) => sum + height + head, 0) + head + 12 * ratio;
  const pen = sheet.getContext('2d');
  if (!pen) return;
  pen.fillStyle = colours.sheet;
  pen.fillRect(0, 0, sheet.width, sheet.height);
  pen.fillStyle = colours.ink;
  pen.font = `${15 * ratio}px Georgia, serif`;
  pen.fillText(headingOf(charts), 12 * ratio, 24 * ratio);
  let y = head;
  charts.forEach((chart, i) => {
    pen.fillText(`${title(chart.shown.reading.name)}${chart.unit ? `, ${chart.unit}` : ''}`, 12 * ratio, y + 24 * ratio);
    pen.drawImage(canvases[i], 12 * ratio, y + head);
    y += head + canvases[i].height;
  });
  sheet.toBlob((blob) => blob && download(fileName(charts, 'png'), blob), 'image/png');
}

/** @param {import('./chart.js').Chart[]} charts */
export function saveSvg(charts) {
  const { from, to, store } = charts[0].shown;
  const panels = charts.map((chart) => ({ ...chart.shape(), title: title(chart.shown.reading.name), unit: chart.unit ?? '', digits: chart.digits() }));
  const gaps = charts[0].shown.gaps.map((gap) => ({ ...gap, cause: gapCause(gap.cause) }));
  const text = svgCharts(panels, { from, to, heading: headingOf(charts), gaps, say: (ms) => dateTime(ms, store.zone).slice(0, 16) });
  download(fileName(charts, 'svg'), new Blob([text], { type: 'image/svg+xml' }));
}

/** The buckets that are drawn, in the units that are shown. @param {import('./chart.js').Chart[]} charts */
export function shownCsv(charts) {
  const { store } = charts[0].shown;
  const heads = charts.flatMap(({ shown: { reading }, unit }) => ['mean', 'min', 'max'].map((what) => `${reading.route}.${reading.name} ${what}${unit ? ` (${unit})` : ''}`));
  /** @type {Map<number, (number | null)[]>} */
  const byTime = new Map();
  charts.forEach(({ shown: { reading, series } }, n) => {
    const buckets = series.columns[reading.name];
    series.t.forEach((t, i) => {
      const row = byTime.get(t) ?? heads.map(() => null);
      byTime.set(t, row);
      [buckets?.mean[i], buckets?.min[i], buckets?.max[i]].forEach((value, k) => {
        row[n * 3 + k] = value === null || value === undefined ? null : Number(convert(value, reading.unit, store.units).toPrecision(10));
      });
    });
  });
  const rows = [...byTime].sort(([a], [b]) => a - b).map(([t, row]) => [isoUtc(t), dateTime(t, store.zone), ...row]);
  return csv([['start of bucket (UTC)', `start of bucket (${store.zone})`, ...heads], ...rows]);
}

/** @param {import('./chart.js').Chart[]} charts */
export function saveCsv(charts) {
  download(fileName(charts, 'csv'), new Blob([shownCsv(charts)], { type: 'text/csv' }));
}
