import assert from 'node:assert/strict';
import test from 'node:test';
import { counterDelta, counterRate, dewPoint, heading, magnitude, seaLevelPressure } from '../../src/http/web/lib/derived.js';

const near = (got, wanted, by) => assert.ok(Math.abs(got - wanted) <= by, `${got} is not ${wanted}`);

test('a counter goes on, begins anew, or wraps', () => {
  assert.equal(counterDelta(100, 130), 30);
  assert.equal(counterDelta(100, 100), 0);
  assert.equal(counterDelta(1047952, 7), 7, 'a reset counts from zero');
  assert.equal(counterDelta(65530, 4, 65536), 10, 'a wrap goes through the modulus');
  assert.equal(counterDelta(40000, 4, 65536), 25540, 'less than half a turn is still a wrap');
  assert.equal(counterDelta(300, 4, 65536), 4, 'nearly a whole turn is a reset');
  assert.equal(counterDelta(null, 4), null);
  assert.equal(counterDelta(4, undefined), null);
});

test('wind speed: 1.5 counts a second are one metre per second', () => {
  assert.equal(counterRate(1000, 1030, 5000, { per: 1.5 }), 4);
  assert.equal(counterRate(1000, 6, 4000, { per: 1.5 }), 1);
  assert.equal(counterRate(65530, 20, 5000, { per: 1, modulus: 65536 }), 5.2);
  assert.equal(counterRate(1, 2, 0), null, 'no time, no rate');
});

test('rain: 0.2794 mm a tip', () => near(counterDelta(170, 180) * 0.2794, 2.794, 1e-12));

test('dew point, by hand: 20 °C and 50 % give 9.26 °C; saturated air its own temperature', () => {
  near(dewPoint(20, 50), 9.26, 0.01);
  near(dewPoint(25, 100), 25, 1e-9);
  near(dewPoint(-10, 80), -12.8, 0.1);
  assert.equal(dewPoint(20, 0), null);
});

test('sea-level pressure: the standard atmosphere at 1000 m has 898.75 hPa and 8.5 °C', () => {
  near(seaLevelPressure(898.746, 1000, 8.5), 1013.25, 0.05);
  assert.equal(seaLevelPressure(1000, 0, 20), 1000);
  near(seaLevelPressure(1004.94, 64, 5.22), 1012.859, 0.005);
});

test('the field: strength and heading', () => {
  assert.equal(magnitude([3, 4]), 5);
  near(magnitude([1115, -558, -305]) * 9.174e-8, 1.17757e-4, 1e-9);
  assert.equal(magnitude([1, null]), null);
  assert.equal(heading(1, 0), 0);
  assert.equal(heading(0, 1), 90);
  assert.equal(heading(-1, 0), 180);
  near(heading(1115, -558), 333.41, 0.01);
  near(heading(1, 0, -12.5), 347.5, 1e-9);
});
