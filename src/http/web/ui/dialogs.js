// @ts-check
// The panels: connection, units, sign-in, keys, and "are you sure".

import { get, post } from '../api.js';
import { meaning } from '../lib/codes.js';
import { duration } from '../lib/format.js';
import { QUANTITIES, convert, digitsOf, printPreferences } from '../lib/units.js';
import { number } from '../lib/format.js';
import { dateTime } from '../lib/zone.js';
import { byId, fill, h, refocus, setText } from './dom.js';
import { remembered } from '../store.js';

/**
 * @param {string} title
 * @param {(Node | string)[]} content
 * @param {Node[]} buttons
 */
export function openDialog(title, content, buttons) {
  const dialog = h('dialog', { 'aria-label': title }, h('h2', {}, title), ...content, h('div', { class: 'bar' }, ...buttons));
  const before = document.activeElement;
  dialog.addEventListener('close', () => {
    dialog.remove();
    refocus(before);
  });
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog && event.detail > 0 && outside(dialog, event)) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** @param {HTMLElement} element @param {MouseEvent} event */
function outside(element, event) {
  const box = element.getBoundingClientRect();
  return event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
}

/** @param {string} [word] */
function closeButton(word = 'Close') {
  return h('button', { type: 'button', class: 'button', onclick: (/** @type {Event} */ event) => /** @type {Element} */ (event.target).closest('dialog')?.close() }, word);
}

/**
 * @param {string} title
 * @param {string} text
 * @param {string} verb  on the button that does it
 * @returns {Promise<boolean>}
 */
export function confirm(title, text, verb) {
  return new Promise((resolve) => {
    let sure = false;
    const yes = h('button', { type: 'button', class: 'button danger', onclick: () => { sure = true; dialog.close(); } }, verb);
    const dialog = openDialog(title, [h('p', {}, text)], [closeButton('Leave it'), yes]);
    dialog.addEventListener('close', () => resolve(sure));
  });
}

/** @param {string} title @param {string} text @param {string} [hint] */
export function tellPerson(title, text, hint) {
  openDialog(title, [h('p', {}, text), ...(hint ? [h('p', { class: 'quiet' }, hint)] : [])], [closeButton()]);
}

/** @param {import('../store.js').Store} store @param {import('../live.js').Live} live */
export function connectionPanel(store, live) {
  const list = h('dl', { class: 'pairs', id: 'connection' });
  const now = h('button', { type: 'button', class: 'button primary', onclick: () => live.hurry() }, 'Try now');
  const renew = () => {
    const pairs = connectionWords(store);
    if (list.children.length !== pairs.length * 2) fill(list, pairs.map(([name]) => [h('dt', {}, name), h('dd')]).flat());
    pairs.forEach(([, text], i) => setText(list.children[i * 2 + 1], text));
    now.hidden = store.contact.open || store.contact.connecting;
  };
  const dialog = openDialog('The line to the recorder', [list], [now, closeButton()]);
  const stops = [store.on('tick', renew), store.on('contact', renew)];
  dialog.addEventListener('close', () => stops.forEach((stop) => stop()));
  renew();
}

/** @param {import('../store.js').Store} store @returns {[string, string][]} */
export function connectionWords(store) {
  const { contact } = store;
  const ago = (/** @type {number} */ ms) => `${dateTime(ms, store.zone)} (${duration(Date.now() - ms)} ago)`;
  const state = contact.open ? (store.lost ? 'Connected, but nothing comes' : 'Connected') : contact.connecting ? 'Not connected, trying now' : 'Not connected';
  const { closed } = contact;
  const newest = store.newestRow();
  /** @type {[string, string][]} */
  const pairs = [
    ['State', state],
    ['Since', ago(contact.since)],
    ['Last message', contact.everConnected ? ago(contact.lastFrameAt) : 'none yet'],
    ['Newest row', newest === null ? 'none yet' : `${dateTime(newest, store.zone)} (${duration(store.now() - newest)} ago)`],
    ['Last closed', closed ? `${ago(closed.at)}, with code ${closed.code} (${meaning(closed.code).name})` : 'never'],
  ];
  if (closed) {
    pairs.push(['Its reason', closed.reason || 'none was given']);
    pairs.push(['Which means', meaning(closed.code).meaning]);
  }
  if (!contact.open) {
    const wait = contact.nextTryAt === null ? 'now' : `in ${duration(contact.nextTryAt - Date.now() + 999)}`;
    pairs.push(['Next try', `${wait}; ${contact.failures} so far. At once when the network or this tab comes back.`]);
  }
  if (Math.abs(store.skew) > 5000) pairs.push(['Clocks', `This computer’s clock is ${duration(Math.abs(store.skew))} ${store.skew > 0 ? 'behind' : 'ahead of'} the recorder’s. Ages are by the recorder’s.`]);
  return pairs;
}

/** @param {import('../store.js').Store} store @param {(text: string) => void} chosen  puts it into the address */
export function unitsPanel(store, chosen) {
  const fields = Object.entries(QUANTITIES).map(([key, { name, units }]) => {
    const select = h('select', {
      name: key,
      onchange: () => {
        store.units = { ...store.units, [key]: select.value };
        const text = printPreferences(store.units);
        remembered('units', text);
        chosen(text);
        store.tell('units');
      },
    }, Object.keys(units).map((unit) => h('option', { value: unit, selected: store.units[key] === unit }, unit)));
    return h('label', {}, name, select);
  });
  const proof = h('p', { class: 'quiet small' });
  const say = () => setText(proof, `20 °C, 1013.25 hPa and 10 m/s are then ${[[20, '°C', 'temperature'], [1013.25, 'hPa', 'pressure'], [10, 'm/s', 'speed']]
    .map(([value, unit, key]) => `${number(convert(Number(value), String(unit), store.units), digitsOf(store.units[key], 'real'))} ${store.units[key]}`).join(', ')}.`);
  say();
  const stop = store.on('units', say);
  const dialog = openDialog('Units', [h('div', { class: 'bar' }, ...fields), proof, h('p', { class: 'quiet small' }, 'Only this page converts. What is stored, and the raw rows, stay as the sensors said them.')], [closeButton('Done')]);
  dialog.addEventListener('close', stop);
}

/** @param {import('../store.js').Store} store @param {import('../live.js').Live} live */
export function signInPanel(store, live) {
  if (document.getElementById('token')) return;
  const field = h('input', { id: 'token', type: 'password', autocomplete: 'current-password', required: true });
  const said = h('p', { role: 'alert', class: 'is-critical' });
  const form = h('form', {
    onsubmit: async (/** @type {Event} */ event) => {
      event.preventDefault();
      try {
        await post('login', { token: field.value });
        await renewSession(store);
        dialog.close();
        live.hurry();
        store.tell('resumed');
      } catch (error) {
        setText(said, error instanceof Error ? error.message : String(error));
      }
    },
  }, h('label', {}, 'Token', field), said, h('p', { class: 'quiet small' }, 'The admin token allows commands, the read token only looking. Both are in the files that [watchtower] names.'), h('div', { class: 'bar' }, closeButton('Not now'), h('button', { class: 'button primary' }, 'Sign in')));
  const dialog = openDialog('Sign in', [form], []);
  field.focus();
}

/** @param {import('../store.js').Store} store */
export async function renewSession(store) {
  store.session = await get('session');
  const button = byId('session-button');
  const { admin, commands, signed_in: signedIn } = store.session;
  button.hidden = !signedIn && (admin || !commands);
  setText(button.querySelector('span') ?? button, signedIn ? 'Sign out' : 'Sign in');
  store.tell('session');
}

/** @param {import('../store.js').Store} store @param {import('../live.js').Live} live */
export async function signOut(store, live) {
  try {
    await post('logout', {});
    await renewSession(store);
    if (!store.session.anonymous_read) signInPanel(store, live);
  } catch (error) {
    openDialog('Sign out', [h('p', { role: 'alert' }, error instanceof Error ? error.message : String(error))], [closeButton()]);
  }
}

export function keysPanel() {
  const keys = [
    ['1 to 5', 'Now, History, Wind and rain, Tower, Log'],
    ['c', 'the line to the recorder, in words'],
    ['u', 'units'],
    ['t', 'light, dark, or as the system says'],
    ['In a chart', '← → move the cursor, + − zoom, 0 goes back to the range'],
    ['Esc', 'closes what is open'],
  ];
  openDialog('Keys', [h('dl', { class: 'pairs' }, ...keys.map(([key, what]) => [h('dt', {}, key), h('dd', {}, what)]).flat())], [closeButton()]);
}
