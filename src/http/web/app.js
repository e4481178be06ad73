// @ts-check
// The page: joins the store, the line to the recorder, the address and the view that is looked at.

import { Refused, get } from './api.js';
import { VIEWS, parseAddress, printAddress } from './lib/address.js';
import { parsePreferences, printPreferences } from './lib/units.js';
import { Live } from './live.js';
import { Store, remembered } from './store.js';
import { connectionPanel, keysPanel, renewSession, signInPanel, signOut, unitsPanel } from './ui/dialogs.js';
import { byId, fill, h, setText } from './ui/dom.js';
import { masthead } from './ui/masthead.js';

/**
 * @typedef {{
 *   store: Store, params: Record<string, string>,
 *   go: (params: Record<string, string | undefined>, how?: { replace?: boolean }) => void,
 * }} Context
 * @typedef {{ update?: (params: Record<string, string>) => void, leave: () => void }} View
 */

const store = new Store();
const live = new Live(store, () => signInPanel(store, live));
const main = byId('main');
let shown = { name: '', view: /** @type {View | null} */ (null) };
let navigation = 0;
let learning = false;

/** Merges into the address; what is undefined leaves it. @type {Context['go']} */
function go(params, how = {}) {
  const here = parseAddress(location.hash);
  const there = printAddress(here.view, { ...here.params, ...params });
  if (there === location.hash) return;
  if (how.replace) history.replaceState(null, '', there);
  else history.pushState(null, '', there);
  arrive();
}

/** Shows what the address says. */
async function arrive() {
  const { view, params } = parseAddress(location.hash);
  takeUnits(params.units);
  markTab(view);
  if (shown.name === view && shown.view) {
    shown.view.update?.(params);
    return;
  }
  navigation += 1;
  const mine = navigation;
  shown.view?.leave();
  shown = { name: view, view: null };
  try {
    const module = await import(`./views/${view}.js`);
    if (mine !== navigation) return;
    fill(main);
    main.dataset.view = view;
    shown.view = module.mount(main, { store, params, go });
  } catch (error) {
    console.error('The view could not be loaded', error);
    fill(main, h('div', { class: 'problem' }, h('p', {}, `The view “${view}” could not be loaded: ${error instanceof Error ? error.message : error}.`), h('p', {}, 'It is tried again when you choose it again.')));
    shown.name = '';
  }
}

/** The address is stronger than what this browser remembers. @param {string | undefined} text */
function takeUnits(text) {
  const wanted = parsePreferences(text ?? remembered('units'));
  if (printPreferences(wanted) === printPreferences(store.units)) return;
  store.units = wanted;
  store.tell('units');
}

/** @param {string} view */
function markTab(view) {
  for (const link of document.querySelectorAll('#tabs a')) {
    const name = link.getAttribute('data-view') ?? 'now';
    const mine = name === view;
    link.setAttribute('href', printAddress(name, { units: parseAddress(location.hash).params.units }));
    if (mine) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
}

function cycleTheme() {
  const order = ['system', 'light', 'dark'];
  const now = document.documentElement.dataset.theme ?? 'system';
  const next = order[(order.indexOf(now) + 1) % order.length];
  if (next === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  remembered('theme', next);
  sayTheme();
  store.tell('theme');
}

function sayTheme() {
  const now = document.documentElement.dataset.theme;
  setText(byId('theme-word'), now === 'light' ? 'Light' : now === 'dark' ? 'Dark' : 'Light or dark');
}

/** Paper is white: charts are drawn anew in the light theme, and back. */
function printLight() {
  const { dataset } = document.documentElement;
  let before = dataset.theme;
  window.addEventListener('beforeprint', () => {
    before = dataset.theme;
    dataset.theme = 'light';
    store.tell('theme');
  });
  window.addEventListener('afterprint', () => {
    if (before) dataset.theme = before;
    else delete dataset.theme;
    store.tell('theme');
  });
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const target = /** @type {Element} */ (event.target);
  if (event.ctrlKey || event.metaKey || event.altKey || target.closest('input, select, textarea, dialog')) return;
  const number = '12345'.indexOf(event.key);
  if (number >= 0) location.hash = `#/${VIEWS[number]}`;
  else if (event.key === 'c') connectionPanel(store, live);
  else if (event.key === 'u') unitsPanel(store, (text) => go({ units: text || undefined }, { replace: true }));
  else if (event.key === 't') cycleTheme();
  else if (event.key === '?') keysPanel();
}

/** What columns there are. Asked until it is known; also after the recorder came back, perhaps with others. */
async function learnRoutes() {
  if (learning) return;
  learning = true;
  try {
    store.routes = (await get('routes')).routes;
    await renewSession(store);
    store.tell('latest');
  } catch (error) {
    if (error instanceof Refused && error.status === 401) signInPanel(store, live);
    // Without a connection, `resumed` or the first snapshot asks again.
    else if (store.contact.open) setTimeout(learnRoutes, 3000);
  } finally {
    learning = false;
  }
}

function begin() {
  byId('line').addEventListener('click', () => connectionPanel(store, live));
  byId('units-button').addEventListener('click', () => unitsPanel(store, (text) => go({ units: text || undefined }, { replace: true })));
  byId('theme-button').addEventListener('click', cycleTheme);
  byId('session-button').addEventListener('click', () => (store.session.signed_in ? signOut(store, live) : signInPanel(store, live)));
  document.querySelector('.skip')?.addEventListener('click', (event) => {
    event.preventDefault();
    main.focus();
  });
  document.addEventListener('keydown', onKey);
  window.addEventListener('hashchange', arrive);
  window.addEventListener('popstate', arrive);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => store.tell('theme'));
  printLight();
  sayTheme();
  masthead(store);
  store.on('resumed', learnRoutes);
  store.on('contact', () => {
    if (store.contact.open && store.routes.length === 0) learnRoutes();
  });
  live.start();
  learnRoutes();
  arrive();
}

begin();
