// @ts-check
// What stands above every view: the verdict, the four facts, the line to the recorder, and the notice that
// nothing of it can be trusted any more.

import { bytes, count, duration, parseUtc } from '../lib/format.js';
import { advice, headline, safe, since, wrong } from '../lib/health.js';
import { dateTime, localised } from '../lib/zone.js';
import { byId, fill, h, s, setText } from './dom.js';

/** @param {import('../store.js').Store} store */
export function masthead(store) {
  drawArcs();
  const renew = () => {
    showVerdict(store);
    showFacts(store);
    showLine(store);
    showLost(store);
  };
  store.on('status', renew);
  store.on('contact', renew);
  store.on('tick', () => {
    showFacts(store);
    showLine(store);
    showLost(store);
  });
  store.on('rows', () => showLine(store));
  renew();
}

/** The chart of a drum: its lines of time are arcs, because the pen turns about a pivot. */
function drawArcs() {
  const arcs = [];
  for (let x = -40; x < 1840; x += 30) arcs.push(s('path', { d: `M${x} 0Q${x + 34} 60 ${x} 120` }));
  for (let y = 12; y < 120; y += 12) arcs.push(s('path', { d: `M0 ${y}H1800` }));
  fill(byId('arcs'), arcs);
}

/** @param {import('../store.js').Store} store */
function showVerdict(store) {
  const { status } = store;
  const { word, level, icon } = headline(status, { lost: store.lost, everConnected: store.contact.everConnected });
  const health = byId('health');
  if (health.dataset.level !== level) health.dataset.level = level;
  byId('health-icon').setAttribute('href', `#i-${icon}`);
  setText(byId('headline'), word);
  setText(byId('summary'), summaryOf(store));
  setText(byId('instance'), status ? status.broker.client_id.replace(/^barograph-/, '') : '');
  document.title = `${word} – Barograph`;
  if (status) setText(byId('colophon'), `Barograph ${status.version}, process ${status.pid}, started ${local(store, status.started)}. Times are those of ${store.zone}. Press ? for the keys.`);
}

/** @param {import('../store.js').Store} store */
function summaryOf(store) {
  if (store.lost && store.contact.everConnected) return 'The recorder does not answer this page. Whether it records cannot be seen from here.';
  if (store.lost) return 'No recorder has answered this page yet.';
  if (!store.status) return 'Waiting for the recorder’s first word.';
  const text = localised(store.status.summary, store.zone);
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');
}

/** @param {import('../store.js').Store} store @param {string | null} text */
function local(store, text) {
  const ms = parseUtc(text);
  return ms === null ? 'at an unknown time' : dateTime(ms, store.zone);
}

/** @param {import('../store.js').Store} store */
function showFacts(store) {
  const { status } = store;
  const list = byId('facts');
  if (!status) return fill(list);
  const facts = store.lost ? lostFacts(store) : knownFacts(store, status);
  while (list.children.length > facts.length) list.lastElementChild?.remove();
  facts.forEach(([name, text, big, extra], i) => {
    const row = list.children[i] ?? list.appendChild(h('div', {}, h('dt'), h('dd')));
    row.className = extra;
    setText(row.children[0], name);
    row.children[1].className = big ? 'big' : '';
    setText(row.children[1], text);
  });
}

/** @param {import('../store.js').Store} store @param {Api.Status} status @returns {[string, string, boolean, string][]} */
function knownFacts(store, status) {
  const began = parseUtc(since(status));
  return [
    ['Since', began === null ? '–' : duration(store.now() - began), true, ''],
    ['What is wrong', localised(wrong(status), store.zone), false, 'when-wrong'],
    ['What is safe', safe(status), false, ''],
    ['What to do', localised(advice(status), store.zone), false, 'when-wrong'],
  ];
}

/** @param {import('../store.js').Store} store @returns {[string, string, boolean, string][]} */
function lostFacts(store) {
  const silent = Date.now() - store.contact.lastFrameAt;
  return [
    ['No word for', duration(silent), true, ''],
    ['What is wrong', 'The recorder, its machine, or the network between.', false, ''],
    ['What is safe', 'All that was acknowledged to the broker. What comes now waits there, if it is of QoS 1 or 2.', false, ''],
    ['What to do', 'On the recorder’s machine: barograph status, or systemctl status barograph. This page goes on trying.', false, ''],
  ];
}

/** @param {import('../store.js').Store} store */
function showLine(store) {
  const { contact } = store;
  byId('line-mark').dataset.state = contact.open ? (store.lost ? 'closed' : 'open') : contact.connecting ? 'waiting' : 'closed';
  setText(byId('line-text'), lineText(store));
}

/** @param {import('../store.js').Store} store */
export function lineText(store) {
  const { contact, status } = store;
  const newest = store.newestRow();
  const row = newest === null ? 'no row yet' : `newest row ${duration(store.now() - newest)} ago`;
  if (contact.open && !store.lost) {
    const rate = status && status.rates.over_seconds > 0 ? `, ${status.rates.received_per_second.toFixed(1)} messages/s` : '';
    const disk = status?.database.free_bytes ? `, ${bytes(status.database.free_bytes)} free` : '';
    return `Live: ${row}${rate}${disk}`;
  }
  const away = duration(Date.now() - contact.since);
  if (contact.open) return `Connected, but silent for ${duration(Date.now() - contact.lastFrameAt)}; ${row}`;
  const again = contact.connecting ? 'trying now' : `next try in ${duration((contact.nextTryAt ?? Date.now()) - Date.now() + 999)}`;
  if (!contact.everConnected && contact.failures === 0) return 'Connecting';
  return `Not connected for ${away} (try ${count(contact.failures)}); ${again}; ${row}`;
}

/** @param {import('../store.js').Store} store */
function showLost(store) {
  const notice = byId('lost');
  notice.hidden = !(store.lost && store.contact.everConnected);
  if (notice.hidden) return;
  const at = dateTime(store.contact.lastFrameAt, store.zone);
  setText(notice, `No word from the recorder for ${duration(Date.now() - store.contact.lastFrameAt)}. Everything here is as it was at ${at}.`);
}
