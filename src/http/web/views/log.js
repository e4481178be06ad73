// @ts-check
// Log: what happened, what is wrong, and what is missing.

import { get } from '../api.js';
import { completeness } from '../lib/days.js';
import { number, parseUtc, title } from '../lib/format.js';
import { isNumeric, readingsOf } from '../lib/readings.js';
import { dateTime, dayStart, localised } from '../lib/zone.js';
import { calendar, calendarKey, calendarTable } from '../ui/calendar.js';
import { fill, h, icon, refill, setText } from '../ui/dom.js';
import { gapTable } from '../ui/gaps.js';
import { issueList } from './tower.js';

const DAY = 86400000;
const PAGE = 100;
const SHOWN_MOST = 2000;

class Log {
  /** @param {HTMLElement} root @param {import('../app.js').Context} context */
  constructor(root, { store, params, go }) {
    this.store = store;
    this.go = go;
    this.params = params;
    /** @type {Api.Event[]} */
    this.events = [];
    /** @type {Api.Gap[] | null} */
    this.allGaps = null;
    this.newest = -1;
    this.actor = h('select', { onchange: () => this.filter() });
    this.kind = h('select', { onchange: () => this.filter() });
    this.severity = h('select', { onchange: () => this.filter() }, [['', 'all'], ['warning', 'warnings and errors'], ['error', 'errors']].map(([value, word]) => h('option', { value }, word)));
    this.following = h('input', { type: 'checkbox', checked: params.follow !== 'no', onchange: () => this.go({ follow: this.following.checked ? undefined : 'no' }, { replace: true }) });
    this.body = h('tbody', {});
    this.issues = h('div');
    this.gaps = h('div');
    this.year = h('div', { class: 'stack' });
    this.older = h('button', { type: 'button', class: 'button no-print', onclick: () => this.fetchOlder() }, 'Older');
    this.said = h('p', { class: 'quiet small', role: 'status' });
    this.route = h('select', { onchange: () => this.fetchYear() });
    fill(root, this.frame());
    this.stops = [
      store.on('event', (/** @type {Api.Event} */ event) => this.take(event)),
      store.on('status', () => this.showIssues()),
      store.on('latest', () => this.routes()),
      store.on('resumed', () => this.fetch()),
    ];
    this.choices();
    this.showIssues();
    this.fetch();
    this.routes();
  }

  frame() {
    const heads = ['When', 'Event', 'Actor', 'Detail'].map((name) => h('th', { scope: 'col' }, name));
    return h('div', { class: 'stack' }, h('h1', {}, 'Log'),
      h('section', { class: 'sheet stack' }, h('h2', {}, 'Issues now'), this.issues),
      h('section', { class: 'sheet stack' }, h('h2', {}, 'Events'),
        h('div', { class: 'bar no-print' }, h('label', {}, 'Actor', this.actor), h('label', {}, 'Kind', this.kind), h('label', {}, 'Severity', this.severity), h('label', { class: 'check' }, this.following, 'Follow')),
        this.said,
        h('div', { class: 'scroll tall', tabindex: 0, role: 'group', 'aria-label': 'Events, newest first' }, h('table', { class: 'events' }, h('caption', { class: 'unseen' }, 'Events, newest first'), h('thead', {}, h('tr', {}, ...heads)), this.body)),
        h('p', {}, this.older)),
      h('section', { class: 'sheet stack' }, h('h2', {}, 'The year'), h('div', { class: 'bar no-print' }, h('label', {}, 'Route', this.route)), this.year),
      h('section', { class: 'sheet stack' }, h('h2', {}, 'Gaps of the last year'), this.gaps));
  }

  /** @param {Record<string, string>} params */
  update(params) {
    const same = ['actor', 'event', 'severity'].every((key) => (params[key] ?? '') === (this.params[key] ?? ''));
    this.params = params;
    this.choices();
    if (!same) this.fetch();
  }

  filter() {
    this.go({ actor: this.actor.value || undefined, event: this.kind.value || undefined, severity: this.severity.value || undefined }, { replace: true });
  }

  /** What can be filtered by is what has been seen, and what is chosen. */
  choices() {
    const { params } = this;
    const fillChoice = (/** @type {HTMLSelectElement} */ select, /** @type {(string | null | undefined)[]} */ names, /** @type {string} */ chosen) => {
      const all = [...new Set([...names, chosen].filter(Boolean))].map(String).sort();
      fill(select, h('option', { value: '' }, 'all'), all.map((name) => h('option', { value: name, selected: name === chosen }, name.replace(/_/g, ' '))));
    };
    fillChoice(this.actor, [...(this.store.status?.actors ?? []).map(({ actor }) => actor), ...this.events.map(({ actor }) => actor)], params.actor ?? '');
    fillChoice(this.kind, [...this.events.map(({ event }) => event), 'mode_changed', 'actor_restarted', 'broker_connected', 'broker_disconnected', 'write_failed', 'quarantined', 'stats'], params.event ?? '');
    this.severity.value = params.severity ?? '';
  }

  async fetch() {
    const { actor, event } = this.params;
    try {
      this.events = (await get('events', { limit: PAGE, actor, event })).events;
      this.choices();
      this.show();
      const now = this.store.now();
      this.allGaps = (await get('gaps', { from: Math.floor(now - 366 * DAY), to: Math.ceil(now) })).gaps;
      fill(this.gaps, gapTable(this.allGaps ?? [], this.store));
      this.fetchYear();
    } catch (error) {
      setText(this.said, error instanceof Error ? error.message : String(error));
    }
  }

  async fetchOlder() {
    const last = this.events[this.events.length - 1];
    if (!last) return;
    const { actor, event } = this.params;
    try {
      const more = (await get('events', { limit: PAGE, before: last.id, actor, event })).events;
      this.events = [...this.events, ...more];
      this.older.disabled = more.length < PAGE;
      this.show();
    } catch (error) {
      setText(this.said, error instanceof Error ? error.message : String(error));
    }
  }

  /** @param {Api.Event} event  of this moment */
  take(event) {
    const { actor, event: kind } = this.params;
    if (!this.following.checked || (actor && event.actor !== actor) || (kind && event.event !== kind)) return;
    this.events = [event, ...this.events].slice(0, SHOWN_MOST);
    this.newest = event.id;
    this.show();
  }

  show() {
    const least = this.params.severity ?? '';
    const wanted = this.events.filter(({ severity }) => least === '' || severity === 'error' || severity === least);
    fill(this.body, wanted.map((event) => this.row(event)));
    setText(this.said, wanted.length === 0 ? 'No such event.' : `${number(wanted.length, 0)} events, newest first.`);
  }

  /** @param {Api.Event} event */
  row(event) {
    const level = event.severity === 'error' ? 'critical' : event.severity === 'warning' ? 'degraded' : '';
    return h('tr', { class: event.id === this.newest && 'new-event' }, h('th', { scope: 'row', class: 'when' }, dateTime(parseUtc(event.at) ?? 0, this.store.zone)),
      h('td', { class: level && `is-${level}` }, level && icon(level), level && h('span', { class: 'unseen' }, `${event.severity}: `), ` ${event.event.replace(/_/g, ' ')}`),
      h('td', {}, event.actor ?? ''), h('td', {}, localised(event.detail, this.store.zone)));
  }

  showIssues() {
    const { status } = this.store;
    refill(this.issues, !status || status.issues.length === 0 ? h('p', { class: 'quiet' }, status ? 'None.' : 'Not known yet.') : issueList(this.store, status.issues));
  }

  routes() {
    const { routes } = this.store;
    if (this.route.options.length === routes.length || routes.length === 0) return;
    fill(this.route, routes.map(({ route }) => h('option', { value: route }, title(route))));
    this.fetchYear();
  }

  async fetchYear() {
    const route = this.store.routes.find((known) => known.route === this.route.value);
    const column = route && readingsOf(route).find((reading) => isNumeric(reading) && !reading.derived);
    if (!route || !column || !this.allGaps) return;
    const now = this.store.now();
    const { zone } = this.store;
    const from = dayStart(now - 364 * DAY, zone);
    try {
      /** @type {Api.Series} */
      const series = await get('series', { route: route.route, columns: column.name, from, to: Math.ceil(now), bucket_ms: 3600000, stats: 'count' });
      const gaps = this.allGaps.filter((gap) => gap.route === null || gap.route === route.route);
      const days = completeness(series.t, series.columns[column.name].count, 3600000, from, now, zone, gaps, parseUtc);
      const whole = days.filter(({ share }) => (share ?? 0) >= 0.995).length;
      const known = days.filter(({ share }) => share !== null).length;
      const words = `${whole} of ${known} days are complete.`;
      fill(this.year, h('p', {}, words), calendar(days, `Completeness of each day of the last year. ${words} The table below has them all.`), calendarKey(),
        h('p', { class: 'quiet small' }, `Complete is what an hour of ${title(route.route)} usually has. Days are those of ${zone}.`),
        h('details', { class: 'no-print' }, h('summary', {}, 'Every day in words'), calendarTable(days, route.route)));
    } catch (error) {
      fill(this.year, h('p', { class: 'problem' }, error instanceof Error ? error.message : String(error)));
    }
  }

  leave() {
    this.stops.forEach((stop) => stop());
  }
}

/** @param {HTMLElement} root @param {import('../app.js').Context} context @returns {import('../app.js').View} */
export function mount(root, context) {
  const view = new Log(root, context);
  return { update: (params) => view.update(params), leave: () => view.leave() };
}
