import assert from 'node:assert/strict';
import test from 'node:test';
import { convert, convertDifference, digitsOf, parsePreferences, printPreferences, shownUnit, standard } from '../../src/http/web/lib/units.js';

const near = (got, wanted, by = 1e-9) => assert.ok(Math.abs(got - wanted) <= by, `${got} is not ${wanted}`);

test('every conversion against values of handbooks', () => {
  const table = [
    [0, '°C', '°F', 32], [100, '°C', '°F', 212], [-40, '°C', '°F', -40], [37, '°C', '°F', 98.6], [98.6, '°F', '°C', 37],
    [1013.25, 'hPa', 'inHg', 29.9212554], [29.9212554, 'inHg', 'hPa', 1013.25],
    [10, 'm/s', 'km/h', 36], [10, 'm/s', 'mph', 22.369363], [10, 'm/s', 'kn', 19.438445], [36, 'km/h', 'kn', 19.438445],
    [25.4, 'mm', 'in', 1], [50.8, 'mm/h', 'in', 2], [118.8e-6, 'T', 'µT', 118.8], [118.8e-6, 'T', 'nT', 118800], [0.05, 'mT', 'µT', 50],
  ];
  for (const [value, from, to, wanted] of table) near(convert(value, from, { ...standard(), ...parsePreferences(to) }), wanted, 1e-5);
});

test('a value in the wanted unit stays what it was, to the last bit', () => {
  assert.equal(convert(5.1, '°C', standard()), 5.1);
  assert.equal(convert(5.1, 'W/m²', standard()), 5.1);
  assert.equal(convert(5.1, null, standard()), 5.1);
});

test('a difference knows no zero', () => {
  near(convertDifference(5, '°C', parsePreferences('°F')), 9);
});

test('names of units', () => {
  const wanted = parsePreferences('°F,in,nT');
  assert.equal(shownUnit('°C', wanted), '°F');
  assert.equal(shownUnit('mm/h', wanted), 'in/h');
  assert.equal(shownUnit('T', wanted), 'nT');
  assert.equal(shownUnit('constructor', wanted), 'constructor');
  assert.equal(shownUnit(null, wanted), '');
});

test('what is chosen survives the address; nonsense does not', () => {
  assert.equal(printPreferences(parsePreferences('°F,kn,banana,nT')), '°F,kn,nT');
  assert.equal(printPreferences(standard()), '');
  assert.deepEqual(parsePreferences('__proto__,toString'), standard());
});

test('decimals', () => {
  assert.equal(digitsOf('inHg'), 2);
  assert.equal(digitsOf('nT'), 0);
  assert.equal(digitsOf('', 'real', 1123), 0);
  assert.equal(digitsOf('', 'integer'), 0);
});
