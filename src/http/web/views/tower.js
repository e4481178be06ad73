// @ts-check
// Tower: the supervision tree, the way of a message, and every place where one can be.

import { get } from '../api.js';
import { bytes, count, duration, milliseconds, number, parseUtc, title } from '../lib/format.js';
import { MODES, WAITS, modeHistory } from '../lib/health.js';
import { layout } from '../lib/tree.js';
import { dateTime, localised } from '../lib/zone.js';
import { fill, h, refill, s, setText, table, tag } from '../ui/dom.js';
import { actorOrders, generalOrders, orderButton } from '../ui/orders.js';

const DAY = 86400000;
const MODE_DAYS = 7;

/** @param {HTMLElement} root @param {import('../app.js').Context} context @returns {import('../app.js').View} */
export function mount(root, { store }) {
  const orders = h('div', { class: 'bar no-print push' });
  const body = h('div', { class: 'stack' });
  fill(root, h('div', { class: 'stack' }, h('div', { class: 'bar' }, h('h1', {}, 'Tower'), orders), body));
  /** @type {Api.Event[]} */
  let changes = [];
  let shape = '';
  const show = () => {
    const { status, session } = store;
    if (!status) return void fill(body, h('p', { class: 'quiet' }, 'Waiting for the recorder’s first word.'));
    const next = JSON.stringify([session, status.paused_since, status.account.quarantined]);
    if (next !== shape) fill(orders, session.admin && session.commands ? generalOrders(status) : h('span', { class: 'quiet small' }, session.commands ? 'Commands need the admin token: sign in.' : 'No commands from here: the settings name no admin token.'));
    shape = next;
    refill(body, issues(store, status), way(status), tree(store, status), places(store, status), modes(store, status, changes), account(status));
  };
  const learn = async () => {
    try {
      const from = Math.floor(store.now() - MODE_DAYS * DAY);
      changes = (await get('events', { event: 'mode_changed', since: from, limit: 500 })).events;
      show();
    } catch {
      // The strip of modes stays as it was; the connection line says what is wrong.
    }
  };
  const stops = [store.on('status', show), store.on('session', show), store.on('resumed', learn), store.on('event', (/** @type {Api.Event} */ event) => event.event === 'mode_changed' && learn()), store.on('tick', () => ages(body, store))];
  show();
  learn();
  return { leave: () => stops.forEach((stop) => stop()) };
}

/** Counts up what is an age, without drawing anything anew. @param {HTMLElement} body @param {import('../store.js').Store} store */
function ages(body, store) {
  for (const element of body.querySelectorAll('[data-since]')) setText(element, duration(store.now() - Number(element.getAttribute('data-since'))));
}

/** @param {import('../store.js').Store} store @param {string | null} text */
function age(store, text) {
  const ms = parseUtc(text);
  return ms === null ? '–' : h('span', { 'data-since': ms, title: dateTime(ms, store.zone) }, duration(store.now() - ms));
}

/** @param {import('../store.js').Store} store @param {Api.Status} status */
function issues(store, status) {
  if (status.issues.length === 0) return null;
  return h('section', { class: 'sheet stack' }, h('h2', {}, 'What is wrong'), issueList(store, status.issues));
}

/** @param {import('../store.js').Store} store @param {Api.Issue[]} list */
export function issueList(store, list) {
  const may = store.session.admin && store.session.commands;
  return h('ul', { class: 'issues' }, list.map((issue) => h('li', { class: issue.severity },
    h('p', {}, tag(issue.severity === 'critical' ? 'critical' : 'degraded', issue.severity), ' ', localised(issue.summary, store.zone), ' ', h('span', { class: 'quiet' }, 'for ', age(store, issue.since))),
    h('p', {}, localised(issue.hint, store.zone)),
    issue.acknowledged ? h('p', { class: 'quiet small' }, 'Acknowledged.') : may && h('p', { class: 'no-print' }, orderButton('Acknowledge', { title: 'Acknowledge this issue?', text: `${issue.summary} It stays an issue until it is over; alerts about it stop repeating.`, command: 'acknowledge-issue', more: { issue: issue.id }, label: `Acknowledge ${issue.id}` })))));
}

/** @param {Api.Status} status */
function way(status) {
  const { flow, rates, account: books } = status;
  const waits = flow?.waits_in ?? 'nothing';
  const step = (/** @type {string} */ name, /** @type {string} */ value, /** @type {string} */ what, /** @type {boolean} */ waiting) => h('li', { class: waiting && 'waits' }, h('span', {}, name), h('strong', {}, value), h('span', {}, what), waiting && ' ', waiting && tag('degraded', 'waits here'));
  const rate = (/** @type {number} */ perSecond) => rates.over_seconds > 0 ? `${number(perSecond, 1)}/s` : '–';
  return h('section', { class: 'sheet stack' }, h('h2', {}, 'The way of a message'), h('p', {}, WAITS[waits] ?? `Messages wait: ${waits}.`),
    h('ol', { class: 'flow' },
      step('Received', rate(rates.received_per_second), `${count(books.received)} since the beginning`, waits === 'broker'),
      step('Window', count(flow?.held ?? books.held), 'owed an acknowledgement', waits === 'window'),
      step('Batch', flow?.batch_rows_mean === null || !flow ? '–' : number(flow.batch_rows_mean, 1), 'rows each, on average', false),
      step('Commit', rate(rates.commits_per_second), flow ? `half within ${milliseconds(flow.commit_ms_p50)}, 99 of 100 within ${milliseconds(flow.commit_ms_p99)}` : 'latency unknown', waits === 'commit' || waits === 'spool'),
      step('Acknowledged', `${count(books.stored + books.duplicate + books.filtered + books.quarantined + books.spooled)}`, 'durable, and said so to the broker', false)));
}

/** @param {Api.Actor} actor */
function isWell(actor) {
  return actor.state === 'running' && (actor.pulse_age_ms ?? 0) < 15000;
}

/** @param {import('../store.js').Store} store @param {Api.Status} status */
function tree(store, status) {
  const [root, ...children] = status.actors;
  if (!root) return null;
  const plan = layout(children.length, innerWidth > 900);
  const box = (/** @type {Api.Actor} */ actor, /** @type {{ x: number, y: number }} */ at) => {
    const well = isWell(actor);
    const sign = well ? 'M4 8.5l3 3 6-7' : 'M4 4l9 9m0-9l-9 9';
    return s('g', { transform: `translate(${at.x} ${at.y})` },
      s('rect', { class: well ? 'node' : 'node bad', width: plan.boxWidth, height: plan.boxHeight, rx: 6 }),
      s('path', { class: well ? 'sign' : 'sign bad', d: sign, transform: 'translate(10 10)' }),
      s('text', { x: 34, y: 24, 'font-weight': 600 }, actor.actor),
      s('text', { class: 'role', x: 34, y: 41 }, `${actor.state}, pulse ${actor.pulse_age_ms === null ? 'unknown' : `${number(actor.pulse_age_ms / 1000, 1)} s`}`),
      s('text', { class: 'role', x: 34, y: 56 }, `${actor.restarts === 1 ? '1 restart' : `${actor.restarts} restarts`}${actor.messages_per_second === null || actor.messages_per_second === undefined ? '' : `, ${number(actor.messages_per_second, 1)}/s`}`));
  };
  const label = `Supervision tree: ${root.actor} above ${children.map((child) => `${child.actor} (${child.state})`).join(', ')}. The table below has everything.`;
  const drawing = s('svg', { class: 'tree', viewBox: `-1 -1 ${plan.width + 2} ${plan.height + 2}`, role: 'img', 'aria-label': label }, ...plan.wires.map((d) => s('path', { class: 'wire', d })), box(root, plan.root), ...children.map((child, i) => box(child, plan.boxes[i])));
  const may = store.session.admin && store.session.commands;
  const rows = status.actors.map((actor) => [actor.actor, tag(isWell(actor) ? 'ok' : 'critical', actor.state), milliseconds(actor.pulse_age_ms), age(store, actor.since), count(actor.restarts), (actor.messages_per_second ?? null) === null ? '–' : number(actor.messages_per_second, 1), actor.last_exit ? localised(actor.last_exit, store.zone) : 'never ended', ...(may ? [h('span', { class: 'bar' }, ...actorOrders(actor.actor, store.session.fault_injection))] : [])]);
  const heads = [{ name: 'Actor' }, { name: 'State' }, { name: 'Pulse', number: true }, { name: 'Up for' }, { name: 'Restarts', number: true }, { name: 'Messages/s', number: true }, { name: 'Last end, and why' }, ...(may ? [{ name: 'Commands' }] : [])];
  return h('section', { class: 'sheet stack' }, h('h2', {}, 'The supervision tree'), drawing, table('Actors, the supervisor first', heads, rows));
}

/** @param {import('../store.js').Store} store @param {Api.Status} status */
function places(store, status) {
  const { database, spool, broker } = status;
  const left = database.full_in_seconds ? `, full in ${duration(database.full_in_seconds * 1000)} at this rate` : '';
  const connection = { starting: ['unknown', 'starting'], connected: ['ok', 'connected'], disconnected: ['critical', 'not connected'] }[broker.connection] ?? ['unknown', broker.connection];
  return h('div', { class: 'pair' },
    h('section', { class: 'sheet stack' }, h('h2', {}, 'Database'), h('dl', { class: 'pairs' },
      ...pair('File', h('code', {}, database.path)), ...pair('Size', bytes(database.bytes)), ...pair('WAL', bytes(database.wal_bytes)),
      ...pair('Free on its disk', `${bytes(database.free_bytes)}${left}`, meter(database)), ...pair('Last commit', age(store, database.last_commit), ' ago'),
      ...(database.summing_up ? pair('History', `being summed up for the charts, newest first: ${Math.floor((100 * database.summing_up.done) / database.summing_up.of)} %`) : []),
      ...pair('Failures', database.failures_in_a_row === 0 ? 'none' : `${count(database.failures_in_a_row)} in a row: ${database.last_failure}`))),
    h('section', { class: 'sheet stack' }, h('h2', {}, 'Spool'), h('dl', { class: 'pairs' },
      ...pair('File', h('code', {}, spool.path)), ...pair('Waiting in it', spool.messages === 0 ? 'nothing' : `${count(spool.messages)} messages, ${bytes(spool.bytes)}`), ...pair('Free on its disk', bytes(spool.free_bytes)))),
    h('section', { class: 'sheet stack' }, h('h2', {}, 'Broker'), h('dl', { class: 'pairs' },
      ...pair('Address', h('code', {}, broker.url)), ...pair('Our name there', h('code', {}, broker.client_id)), ...pair('Connection', tag(connection[0], connection[1]), ' for ', age(store, broker.since)),
      ...(broker.why ? pair('Why', localised(broker.why, store.zone)) : []), ...pair('Session', broker.session_present === null ? 'not known' : broker.session_present ? 'kept by the broker' : 'new: the broker had none'))));
}

/** @param {string} name @param {...import('../ui/dom.js').Child} what */
function pair(name, ...what) {
  return [h('dt', {}, name), h('dd', {}, ...what)];
}

/** How full the disk is, of what this file and the free room make together. @param {Api.Status['database']} database */
function meter({ bytes: used, free_bytes: free }) {
  if (used === null || free === null) return null;
  const share = used / Math.max(1, used + free);
  return s('svg', { class: 'meter', viewBox: '0 0 100 6', preserveAspectRatio: 'none', role: 'img', 'aria-label': `The database takes ${Math.round(share * 100)} % of what it and the free room make together` }, s('rect', { width: 100, height: 6 }), s('rect', { class: share > 0.9 ? 'tight' : 'full', width: Math.max(0.5, share * 100), height: 6 }));
}

/** @param {import('../store.js').Store} store @param {Api.Status} status @param {Api.Event[]} changes */
function modes(store, status, changes) {
  const now = store.now();
  const from = now - MODE_DAYS * DAY;
  const spans = modeHistory(changes, status.mode.mode, from, now, parseUtc);
  const x = (/** @type {number} */ ms) => ((ms - from) / (now - from)) * 1000;
  const days = Array.from({ length: MODE_DAYS + 1 }, (_, i) => s('path', { d: `M${(i * 1000) / MODE_DAYS} 0V40`, stroke: 'var(--sheet)', 'stroke-width': 1 }));
  const bars = spans.map((span) => s('rect', { class: span.mode, x: x(span.from).toFixed(2), width: Math.max(2, x(span.to) - x(span.from)).toFixed(2), y: span.mode === 'normal' ? 22 : 2, height: span.mode === 'normal' ? 16 : 36 }, s('title', {}, `${span.mode} for ${duration(span.to - span.from)}`)));
  const away = spans.filter(({ mode }) => mode !== 'normal');
  const rows = [...spans].reverse().slice(0, 40).map((span) => [dateTime(span.from, store.zone), span.mode, duration(span.to - span.from), MODES[span.mode] ?? '']);
  const words = away.length === 0 ? `Normal for all of the last ${MODE_DAYS} days.` : `Away from normal ${away.length === 1 ? 'once' : `${away.length} times`} in ${MODE_DAYS} days, ${duration(away.reduce((sum, span) => sum + span.to - span.from, 0))} together.`;
  return h('section', { class: 'sheet stack' }, h('h2', {}, `Mode: ${status.mode.mode}`), h('p', {}, `Now ${MODES[status.mode.mode] ?? ''}${status.mode.cause ? ` (cause: ${status.mode.cause.replace(/_/g, ' ')})` : ''}. ${words}`),
    s('svg', { class: 'modes', viewBox: '0 0 1000 40', preserveAspectRatio: 'none', role: 'img', 'aria-label': words }, ...bars, ...days),
    h('details', { class: 'no-print' }, h('summary', {}, 'As a table'), table('Modes, newest first', [{ name: 'From' }, { name: 'Mode' }, { name: 'For' }, { name: 'Which means' }], rows)));
}

/** @param {Api.Status} status */
function account(status) {
  const { account: books } = status;
  const ends = /** @type {const} */ (['stored', 'duplicate', 'filtered', 'quarantined', 'dropped', 'spooled', 'held']);
  const meaning = { stored: 'in the operator’s tables', duplicate: 'sent again by the broker, stored once', filtered: 'not wanted by the settings, only counted', quarantined: 'no row could be made of them; kept with the reason', dropped: 'lost, and counted', spooled: 'safe in the spool, on their way', held: 'in memory, not acknowledged' };
  const rows = ends.map((end) => [title(end), count(books[end]), meaning[end]]);
  return h('section', { class: 'sheet stack' }, h('h2', {}, 'Account'), h('p', {}, tag(books.balanced ? 'ok' : 'critical', books.balanced ? 'balanced' : 'not balanced'), ` ${count(books.received)} received, and what became of them.`),
    table('What became of every message', [{ name: 'End' }, { name: 'Messages', number: true }, { name: 'Which means' }], rows),
    table('Rows by route', [{ name: 'Route' }, { name: 'Stored', number: true }, { name: 'Topic' }], status.routes.map((route) => [title(route.route), count(route.stored), h('code', {}, route.topic)])));
}
