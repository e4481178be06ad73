// @ts-check
// Gaps as a list; History and Log have it.

import { duration, parseUtc, title } from '../lib/format.js';
import { gapCause } from '../lib/health.js';
import { dateTime, localised } from '../lib/zone.js';
import { h, table } from './dom.js';

/** @param {Api.Gap[]} gaps @param {import('../store.js').Store} store */
export function gapTable(gaps, store) {
  if (gaps.length === 0) return h('p', { class: 'quiet' }, 'No gaps: nothing is known to be missing.');
  const rows = [...gaps].reverse().map((gap) => {
    const [from, to] = [parseUtc(gap.from), parseUtc(gap.to)];
    const until = to === null ? 'still open' : dateTime(to, store.zone);
    return [from === null ? gap.from : dateTime(from, store.zone), until, from === null ? '–' : duration((to ?? store.now()) - from), gapCause(gap.cause), gap.route ? title(gap.route) : 'everything', localised(gap.detail, store.zone)];
  });
  const heads = [{ name: 'From' }, { name: 'To' }, { name: 'For' }, { name: 'Cause' }, { name: 'What' }, { name: 'Detail' }];
  return table('Stretches in which something may be missing, newest first', heads, rows);
}

/** Gaps of a route (or of all) as stretches in milliseconds. @param {Api.Gap[]} gaps @param {string} route @param {number} now */
export function stretches(gaps, route, now) {
  return gaps.filter((gap) => gap.route === null || gap.route === route).map((gap) => ({
    from: parseUtc(gap.from) ?? 0, to: parseUtc(gap.to) ?? now, cause: gap.cause, detail: gap.detail, route: gap.route,
  }));
}
