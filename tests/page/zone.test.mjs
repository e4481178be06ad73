import assert from 'node:assert/strict';
import test from 'node:test';
import { completeness, levelOf, sumByDay } from '../../src/http/web/lib/days.js';
import { parseUtc } from '../../src/http/web/lib/format.js';
import { bucketForDays, clock, dateTime, dayName, dayStart, inputValue, localDays, localised, momentOf, offsetName, parseInput } from '../../src/http/web/lib/zone.js';

const HOUR = 3600000;
const DAY = 24 * HOUR;
const BERLIN = 'Europe/Berlin';
const TOKYO = 'Asia/Tokyo';
const utc = (text) => Date.parse(`${text}Z`);
const hoursOf = (days) => days.map(({ start, end }) => (end - start) / HOUR);

test('a zone nine hours off', () => {
  assert.equal(dateTime(utc('2026-11-26T15:30:00'), TOKYO), '2026-11-27 00:30:00');
  assert.equal(dayStart(utc('2026-11-26T15:30:00'), TOKYO), utc('2026-11-26T15:00:00'));
  assert.deepEqual(hoursOf(localDays(utc('2026-03-28T00:00:00'), utc('2026-03-31T00:00:00'), TOKYO)), [24, 24, 24, 24]);
  assert.equal(offsetName(0, TOKYO), 'UTC+09:00');
  assert.equal(clock(utc('2026-11-26T15:30:00'), TOKYO, utc('2026-11-26T16:00:00')), '00:30:00');
});

test('spring: a day of 23 hours, and an hour that does not exist', () => {
  const days = localDays(utc('2026-03-28T12:00:00'), utc('2026-03-30T12:00:00'), BERLIN);
  assert.deepEqual(days.map(({ name }) => name), ['2026-03-28', '2026-03-29', '2026-03-30']);
  assert.deepEqual(hoursOf(days), [24, 23, 24]);
  assert.equal(momentOf(2026, 3, 29, 2, 30, BERLIN), utc('2026-03-29T01:30:00'));
  assert.equal(dateTime(momentOf(2026, 3, 29, 2, 30, BERLIN), BERLIN), '2026-03-29 03:30:00');
});

test('autumn: a day of 25 hours, and an hour that comes twice', () => {
  assert.deepEqual(hoursOf(localDays(utc('2026-10-24T12:00:00'), utc('2026-10-26T12:00:00'), BERLIN)), [24, 25, 24]);
  assert.equal(momentOf(2026, 10, 25, 2, 30, BERLIN), utc('2026-10-25T00:30:00'), 'the first of the two');
  assert.equal(dateTime(utc('2026-10-25T00:30:00'), BERLIN), dateTime(utc('2026-10-25T01:30:00'), BERLIN));
});

test('a clock that is set at midnight has a first moment, too', () => {
  const [day] = localDays(utc('2018-11-04T12:00:00'), utc('2018-11-04T13:00:00'), 'America/Sao_Paulo');
  assert.equal(dayName(day.start, 'America/Sao_Paulo'), '2018-11-04');
  assert.equal((day.end - day.start) / HOUR, 23);
});

for (const [zone, begin, hours] of [[BERLIN, '2026-03-28T23:00:00', 23], [BERLIN, '2026-10-24T22:00:00', 25], [TOKYO, '2026-03-28T15:00:00', 24]]) {
  test(`rain of the day of ${hours} hours in ${zone}: 1 mm each hour is ${hours} mm`, () => {
    const start = utc(begin);
    const t = Array.from({ length: 200 }, (_, i) => start - 80 * HOUR + i * HOUR);
    const days = sumByDay(t, t.map(() => 1), start - 30 * HOUR, start + 60 * HOUR, zone);
    const day = days.find((one) => one.start === start);
    assert.equal(day.sum, hours);
  });
}

test('a day without a bucket is not a dry day', () => {
  const days = sumByDay([utc('2026-11-25T03:00:00')], [0], utc('2026-11-24T00:00:00'), utc('2026-11-26T00:00:00'), 'UTC');
  assert.deepEqual(days.map(({ sum }) => sum), [null, 0]);
});

test('zones off the whole hour need finer buckets', () => {
  assert.equal(bucketForDays(utc('2026-11-01T00:00:00'), utc('2026-11-20T00:00:00'), BERLIN), HOUR);
  assert.equal(bucketForDays(utc('2026-11-01T00:00:00'), utc('2026-11-20T00:00:00'), 'Asia/Kathmandu'), HOUR / 4);
});

test('from and to, there and back', () => {
  for (const zone of [BERLIN, TOKYO, 'America/St_Johns']) {
    for (const text of ['2026-03-29T05:10:00', '2026-07-01T00:00:00', '2026-11-26T22:40:00']) assert.equal(parseInput(inputValue(utc(text), zone), zone), utc(text));
  }
  assert.equal(parseInput('', BERLIN), null);
});

test('times of UTC in sentences become times of here', () => {
  assert.equal(localised('connected since 2026-11-23 16:27:19.923 UTC; well', TOKYO), 'connected since 2026-11-24 01:27:19; well');
  assert.equal(localised('no time here', TOKYO), 'no time here');
});

test('the calendar: complete, half, nothing, not yet', () => {
  const from = utc('2026-11-20T00:00:00');
  const t = [];
  const counts = [];
  for (let i = 24; i < 5 * 24; i += 1) {
    const day = Math.floor(i / 24);
    if (day === 3) continue;
    t.push(from + i * HOUR);
    counts.push(day === 2 ? 360 : 720);
  }
  const gaps = [{ from: '2026-11-23 00:00:00.000', to: '2026-11-24 00:00:00.000', cause: 'process_down', route: null, detail: '' }];
  const days = completeness(t, counts, HOUR, from, from + 5 * DAY, 'UTC', gaps, parseUtc);
  assert.deepEqual(days.map(({ share }) => share), [null, 1, 0.5, 0, 1]);
  assert.deepEqual(days.map(({ gaps: list }) => list.length), [0, 0, 0, 1, 0]);
  assert.deepEqual(days.map(({ share }) => levelOf(share).word), ['not recorded yet', 'complete', 'mostly missing', 'nothing', 'complete']);
});
