import assert from 'node:assert/strict';
import test from 'node:test';
import { readingsOf, windOf } from '../../src/http/web/lib/readings.js';
import { classNames, prevailing, sectorOf, windRose } from '../../src/http/web/lib/rose.js';
import { addRows, drawable, dropBefore, emptySeries, rows, running, summary, withTail } from '../../src/http/web/lib/series.js';
import { linePath, svgCharts, ticks } from '../../src/http/web/lib/svgchart.js';
import { slopePerHour, trendOf, turnOf } from '../../src/http/web/lib/trend.js';
import { layout } from '../../src/http/web/lib/tree.js';
import { Recorder } from './recorder.mjs';

const same = (value) => value;

test('the wind rose: sectors around their points, calm apart', () => {
  assert.deepEqual([0, 11.24, 11.26, 348.76, 359, 360, 180].map((degrees) => sectorOf(degrees, 16)), [0, 0, 1, 0, 0, 0, 8]);
  const rose = windRose([0, 350, 90, 90, 90, 180, null, 10], [1, 3, 0.4, 5, 20, 0.5, 9, null]);
  assert.equal(rose.total, 6);
  assert.equal(rose.calm, 1);
  assert.deepEqual(rose.sectors[0], [1, 1, 0, 0, 0, 0]);
  assert.deepEqual(rose.sectors[4], [0, 0, 1, 0, 0, 1]);
  assert.deepEqual(rose.sectors[8], [1, 0, 0, 0, 0, 0]);
  assert.equal(rose.sectors.flat().reduce((a, b) => a + b) + rose.calm, rose.total, 'every sample is somewhere');
  assert.equal(prevailing(rose).degrees, 0);
  assert.equal(prevailing(windRose([], [])), null);
  assert.deepEqual(classNames(String, [1, 2]), ['1–2', 'over 2']);
});

test('live rows fall into buckets as the server would have made them', () => {
  const series = emptySeries('r', ['a', 'b'], 0, 0, 1000);
  addRows(series, ['a', 'b'], [[1200, [1, null]], [1900, [3, 7]], [5000, [5, 'text']], [1100, [99, 99]]]);
  assert.deepEqual(series.t, [1000, 5000]);
  assert.deepEqual(series.columns.a, { count: [2, 1], min: [1, 5], max: [3, 5], mean: [2, 5], sum: [4, 5], first: [1, 5], last: [3, 5] });
  assert.deepEqual(series.columns.b.count, [1, 0]);
  assert.deepEqual(series.columns.b.mean, [7, null]);
  dropBefore(series, 2000);
  assert.deepEqual([series.t, series.columns.a.mean], [[5000], [5]]);
});

test('the tail from the server counts, and fills what was missed', () => {
  const series = emptySeries('r', ['a'], 0, 0, 1000);
  addRows(series, ['a'], [[1000, [1]], [2000, [2]], [9000, [9]]]);
  const tail = emptySeries('r', ['a'], 2000, 9500, 1000);
  addRows(tail, ['a'], [[2000, [22]], [3000, [3]], [4000, [4]], [9000, [9]]]);
  const whole = withTail(series, tail);
  assert.deepEqual(whole.t, [1000, 2000, 3000, 4000, 9000]);
  assert.deepEqual(whole.columns.a.mean, [1, 22, 3, 4, 9]);
});

test('a line is broken where nothing was recorded, and only there', () => {
  const series = emptySeries('r', ['a'], 0, 0, 1000);
  addRows(series, ['a'], [0, 1, 2, 3, 4, 60, 61, 62].map((s) => [s * 1000, [s]]));
  const { t, mean } = drawable(series, 'a', same);
  assert.deepEqual(mean, [0, 1, 2, 3, 4, null, 60, 61, 62]);
  assert.ok(t.every((at, i) => i === 0 || at > t[i - 1]), 'times only rise');
  const sparse = emptySeries('r', ['a'], 0, 0, 1000);
  addRows(sparse, ['a'], [0, 5, 10, 15].map((s) => [s * 1000, [s]]));
  assert.deepEqual(drawable(sparse, 'a', same).mean, [0, 5, 10, 15], 'a slow sensor has no gaps');
});

test('a direction goes through north without crossing the chart', () => {
  const series = emptySeries('r', ['d'], 0, 0, 1000);
  addRows(series, ['d'], [[0, [350]], [1000, [10]], [2000, [20]]]);
  assert.deepEqual(drawable(series, 'd', same, true).mean, [350, null, 10, 20]);
});

test('sums, extremes and tables', () => {
  const series = emptySeries('r', ['a'], 0, 0, 1000);
  addRows(series, ['a'], [4, 1, 7, 2].map((value, i) => [i * 1000, [value]]));
  assert.deepEqual(summary(series, 'a'), { count: 4, min: 1, minAt: 1000, max: 7, maxAt: 2000, mean: 3.5, last: 2, sum: 14 });
  assert.equal(summary(series, 'none'), null);
  assert.deepEqual(rows(series, 'a', 2), [{ from: 0, to: 2000, min: 1, mean: 2.5, max: 4 }, { from: 2000, to: 4000, min: 2, mean: 4.5, max: 7 }]);
  assert.deepEqual(running(series, 'a', same).mean, [4, 5, 12, 14]);
});

test('trends', () => {
  const t = Array.from({ length: 60 }, (_, i) => i * 60000);
  assert.ok(Math.abs(slopePerHour(t, t.map((ms) => ms / 3600000 * 3)) - 3) < 1e-9);
  assert.equal(slopePerHour(t.slice(0, 3), [1, 2, 3]), null);
  assert.equal(trendOf(3, 1, 3).word, 'rising');
  assert.equal(trendOf(-3, 1, 3).word, 'falling');
  assert.equal(trendOf(0.05, 1, 0.1).word, 'steady');
  assert.equal(turnOf(350, 20).word, 'veering');
  assert.equal(turnOf(20, 350).word, 'backing');
});

test('an SVG file breaks its lines at gaps and escapes what it is told', () => {
  assert.equal(linePath([0, 1, 2, 3], [1, null, 2, 3], same, same), 'M0.0 1.0M2.0 2.0L3.0 3.0');
  const panel = { title: '<script>alert(1)</script>', unit: '"&', t: [0, 1, 2], mean: [1, 2, 3], min: [1, 2, 3], max: [1, 2, 3], digits: 1 };
  const text = svgCharts([panel], { from: 0, to: 2, heading: '<b>', gaps: [{ from: 0, to: 1, cause: '</title>' }], say: String });
  assert.ok(!/<script|<b>|<\/title><\/title>/.test(text));
  assert.deepEqual(ticks(0, 10, 5), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(ticks(5, 5, 5), []);
});

test('readings: counters and clocks are not read by people', () => {
  const [weather, field] = new Recorder().routes;
  const main = readingsOf(weather).filter((reading) => reading.main).map(({ name }) => name);
  assert.deepEqual(main, ['temperature', 'humidity', 'pressure', 'irradiance', 'wind_direction', 'wind_speed', 'rain', 'dew_point', 'pressure_at_sea_level']);
  const wind = windOf([field, weather]);
  assert.deepEqual([wind.route, wind.direction.name, wind.speed.name], ['weather_data', 'wind_direction', 'wind_speed']);
});

test('the tree stands side by side or below one another, without overlap', () => {
  for (const wide of [true, false]) {
    const plan = layout(5, wide);
    assert.equal(plan.boxes.length, 5);
    plan.boxes.forEach(({ x, y }) => assert.ok(x >= 0 && x + plan.boxWidth <= plan.width && y + plan.boxHeight <= plan.height));
    assert.equal(new Set(plan.boxes.map(({ x, y }) => `${x} ${y}`)).size, 5);
  }
});
