import assert from 'node:assert/strict';
import test from 'node:test';
import { parseAddress, printAddress } from '../../src/http/web/lib/address.js';
import { waitMs } from '../../src/http/web/lib/backoff.js';
import { meaning } from '../../src/http/web/lib/codes.js';
import { csv } from '../../src/http/web/lib/csv.js';
import { bytes, compass, duration, number, parseUtc, title } from '../../src/http/web/lib/format.js';
import { describe, parseRange, printRange, resolve } from '../../src/http/web/lib/range.js';
import { advice, headline, isLost, modeHistory, safe, since } from '../../src/http/web/lib/health.js';
import { Recorder } from './recorder.mjs';

const plain = (text) => text.replace(/[\u00a0\u202f]/g, ' ');

test('durations in two units at most', () => {
  const table = [[-5, '0 s'], [999, '0 s'], [59999, '59 s'], [60000, '1 min'], [61000, '1 min 1 s'], [3599999, '59 min'], [3600000, '1 h'], [3900000, '1 h 5 min'], [86400000, '1 d'], [273600000, '3 d 4 h'], [1e10, '115 days'], [NaN, '–'], [null, '–']];
  for (const [ms, wanted] of table) assert.equal(plain(duration(ms)), wanted);
});

test('numbers', () => {
  const table = [[1234567.891, 1, '1 234 567.9'], [-0.04, 1, '0.0'], [-3.25, 2, '−3.25'], [1013, 0, '1013'], [null, 1, '–'], [Infinity, 0, '–']];
  for (const [value, digits, wanted] of table) assert.equal(plain(number(value, digits)), wanted);
  assert.equal(plain(bytes(1204482048)), '1.1 GiB');
  assert.equal(plain(bytes(0)), '0 B');
  assert.deepEqual([0, 11.2, 11.3, 96, 348.8, 360, -90].map(compass), ['N', 'N', 'NNE', 'E', 'N', 'N', 'W']);
  assert.equal(title('rain_gauge_count'), 'Rain gauge count');
});

test('the recorder’s times', () => {
  assert.equal(parseUtc('2026-11-23 16:27:19.923'), Date.UTC(2026, 10, 23, 16, 27, 19, 923));
  assert.equal(parseUtc('2026-11-23T16:27:19Z'), Date.UTC(2026, 10, 23, 16, 27, 19));
  assert.equal(parseUtc('yesterday'), null);
  assert.equal(parseUtc(null), null);
});

test('1 s doubling to 30 s, each shortened by at most a quarter', () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7, 99].map((n) => waitMs(n, 1)), [1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  assert.deepEqual([1, 6].map((n) => waitMs(n, 0)), [750, 22500]);
});

test('every close code of the contract has its words', () => {
  for (const code of [1001, 1003, 1006, 1007, 1008, 1009, 1012, 1013, 4000, 4001, 4002]) assert.notEqual(meaning(code).name, 'unknown', String(code));
  assert.equal(meaning(4321).name, 'unknown');
});

test('ranges live in the address, there and back', () => {
  const now = Date.UTC(2026, 10, 26);
  assert.deepEqual(resolve(parseRange({ range: '6h' }, '24h'), now, null), { from: now - 21600000, to: now, live: true });
  assert.deepEqual(resolve(parseRange({ range: 'banana' }, '24h'), now, null), { from: now - 86400000, to: now, live: true });
  assert.deepEqual(resolve(parseRange({ range: 'all' }, '24h'), now, 5), { from: 5, to: now, live: true });
  const custom = parseRange({ from: '2026-03-29T00:00:00Z', to: '1774915200000' }, '24h');
  assert.deepEqual(custom, { key: 'custom', from: 1774742400000, to: 1774915200000 });
  assert.deepEqual(parseRange(printRange(custom), '1h'), custom);
  assert.equal(parseRange({ from: '9', to: '5' }, '1h').key, '1h', 'a range that runs backwards is none');
  assert.equal(describe(custom, String), '1774742400000 to 1774915200000');
  assert.deepEqual(parseAddress('#/history?range=7d&units=°F,kn'), { view: 'history', params: { range: '7d', units: '°F,kn' } });
  assert.deepEqual(parseAddress('#/../etc').view, 'now');
  const there = printAddress('history', { c: 'a.b,c.d', range: undefined, units: '°F' });
  assert.deepEqual(parseAddress(there), { view: 'history', params: { c: 'a.b,c.d', units: '°F' } });
});

test('CSV cannot be taken for formulas or broken by commas', () => {
  assert.equal(csv([['=1+1', 'a,b', 'say "x"', -3, null]]), "'=1+1,\"a,b\",\"say \"\"x\"\"\",-3,\r\n");
});

test('the verdict: what is recorded, what is safe, what to do', () => {
  const recorder = new Recorder();
  const held = { lost: false, everConnected: true };
  assert.equal(headline(recorder.status(), held).word, 'Recording');
  assert.equal(headline(recorder.status(), { lost: true, everConnected: true }).word, 'No contact');
  assert.equal(headline(null, { lost: false, everConnected: false }).word, 'Asking');
  recorder.trouble();
  assert.equal(headline(recorder.status(), held).word, 'Recording to the spool');
  assert.match(safe(recorder.status()), /312 messages in the spool/);
  assert.match(advice(recorder.status()), /End that program/);
  recorder.mode = 'holding';
  assert.deepEqual(headline(recorder.status(), held), { word: 'Not recording', level: 'critical', icon: 'critical' });
  recorder.mode = 'normal';
  recorder.connection = 'disconnected';
  assert.equal(headline(recorder.status(), held).word, 'Not recording');
  const status = recorder.status();
  assert.equal(since(status), status.broker.since);
  recorder.paused = '2026-11-26 01:00:00.000';
  assert.equal(headline(recorder.status(), held).word, 'Paused');
});

test('a dead recorder never looks alive', () => {
  assert.equal(isLost({ open: true, sinceFrame: 6000 }), false);
  assert.equal(isLost({ open: true, sinceFrame: 12001 }), true);
  assert.equal(isLost({ open: false, sinceFrame: 3001 }), true);
});

test('modes from events', () => {
  const at = (second) => `2026-11-26 00:00:${String(second).padStart(2, '0')}.000`;
  const base = parseUtc(at(0));
  const change = (second, detail) => ({ id: second, at: at(second), event: 'mode_changed', actor: null, severity: 'warning', detail });
  const spans = modeHistory([change(20, 'normal, after degraded (cause: full)'), change(10, 'degraded, after normal (cause: full)'), change(15, 'nonsense')], 'normal', base, base + 30000, parseUtc);
  assert.deepEqual(spans.map(({ mode, from, to }) => [mode, (from - base) / 1000, (to - base) / 1000]), [['normal', 0, 10], ['degraded', 10, 20], ['normal', 20, 30]]);
  assert.deepEqual(modeHistory([], 'holding', 0, 5, parseUtc), [{ mode: 'holding', from: 0, to: 5 }]);
});
