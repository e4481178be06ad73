// @ts-check
// The line to the recorder: one WebSocket, watched. What it brings goes to the store; when it ends, that
// is said, and it is tried again.

import { waitMs } from './lib/backoff.js';
import { meaning, needsSignIn } from './lib/codes.js';
import { SILENCE_MS, isLost } from './lib/health.js';

export class Live {
  /** @param {import('./store.js').Store} store @param {() => void} signIn  asks the person for a token */
  constructor(store, signIn) {
    this.store = store;
    this.signIn = signIn;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.expected = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  start() {
    setInterval(() => this.watch(), 1000);
    window.addEventListener('online', () => this.hurry());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.hurry();
    });
    this.connect();
  }

  /** Tries at once, if it is not connected and nothing is under way. */
  hurry() {
    if (this.socket) return;
    clearTimeout(this.timer);
    this.connect();
  }

  connect() {
    const { contact } = this.store;
    const url = new URL('ws/live', document.baseURI);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    url.hash = '';
    const socket = new WebSocket(url);
    this.socket = socket;
    this.openedAt = Date.now();
    contact.connecting = true;
    contact.nextTryAt = null;
    socket.onmessage = (message) => this.receive(socket, message.data);
    socket.onclose = (event) => this.closed(socket, event.code, event.reason);
    this.store.tell('contact');
  }

  /** @param {WebSocket} socket @param {unknown} text */
  receive(socket, text) {
    if (socket !== this.socket) return;
    /** @type {Api.Frame} */
    let frame;
    try {
      frame = JSON.parse(String(text));
    } catch {
      return this.giveUp(4901, 'a message that is no JSON');
    }
    const { contact } = this.store;
    contact.lastFrameAt = Date.now();
    if (frame.type === 'snapshot') this.opened(frame);
    else if (frame.seq !== this.expected) return this.giveUp(4901, `message ${frame.seq} came where ${this.expected} was due`);
    this.expected = frame.seq + 1;
    this.take(frame);
    this.judgeContact();
  }

  /** @param {{ latest: Api.Latest }} frame */
  opened(frame) {
    const { contact } = this.store;
    const again = contact.everConnected;
    Object.assign(contact, { open: true, connecting: false, everConnected: true, since: Date.now(), failures: 0, nextTryAt: null });
    this.store.skew = frame.latest.now_ms - Date.now();
    console.info(again ? 'Barograph: connected again.' : 'Barograph: connected.');
    this.resumed = again;
  }

  /** @param {Api.Frame} frame */
  take(frame) {
    const { store } = this;
    switch (frame.type) {
      case 'snapshot':
        store.status = frame.status;
        store.latest = new Map(frame.latest.routes.map((route) => [route.route, route]));
        store.tell('contact');
        store.tell('status');
        store.tell('latest');
        if (this.resumed) store.tell('resumed');
        break;
      case 'rows':
        frame.routes.forEach((rows) => this.takeRows(rows));
        store.tell('rows', frame.routes);
        break;
      case 'status':
        store.status = frame.status;
        store.tell('status');
        break;
      case 'event':
        store.tell('event', frame.event);
        break;
      case 'alive':
        store.skew = frame.now_ms - Date.now();
        break;
      default:
        // A newer recorder may say more than this page knows.
        break;
    }
  }

  /** @param {Api.RowsOf} rows */
  takeRows(rows) {
    const newest = rows.rows[rows.rows.length - 1];
    const columns = this.store.routes.find((route) => route.route === rows.route)?.columns;
    if (!newest || !columns) return;
    /** @type {Record<string, Api.Value>} */
    const values = {};
    columns.forEach((column, i) => (values[column.name] = newest[1][i] ?? null));
    const before = this.store.latest.get(rows.route);
    this.store.latest.set(rows.route, {
      route: rows.route, received_at_ms: newest[0], silent: false, values,
      out_of_bounds: columns.filter((column) => outside(values[column.name], column)).map((column) => column.name),
      derived: { ...before?.derived, ...rows.derived },
    });
  }

  /** Each second: has it fallen silent? */
  watch() {
    const { contact } = this.store;
    const silent = Date.now() - contact.lastFrameAt;
    if (this.socket && contact.open && silent > SILENCE_MS + 3000) this.giveUp(4900, 'no message for too long');
    // A connection that is neither opened nor refused would be waited for by the minute.
    if (this.socket && !contact.open && Date.now() - (this.openedAt ?? 0) > 10000) this.giveUp(4900, 'no answer');
    this.judgeContact();
    this.store.tell('tick');
  }

  judgeContact() {
    const { contact } = this.store;
    const lost = isLost({ open: contact.open, sinceFrame: Date.now() - contact.lastFrameAt });
    if (lost === this.store.lost) return;
    this.store.lost = lost;
    document.documentElement.dataset.contact = lost ? 'lost' : 'held';
    this.store.tell('contact');
  }

  /** @param {number} code @param {string} reason */
  giveUp(code, reason) {
    const { socket } = this;
    if (!socket) return;
    socket.onclose = null;
    socket.close(code, reason.slice(0, 100));
    this.closed(socket, code, reason);
  }

  /** @param {WebSocket} socket @param {number} code @param {string} reason */
  closed(socket, code, reason) {
    if (socket !== this.socket) return;
    this.socket = null;
    const { contact } = this.store;
    const wasOpen = contact.open;
    // A try that failed without a word says less than the close before it: the recorder's own words are kept.
    if (wasOpen || code !== 1006 || !contact.closed) {
      contact.closed = { code, reason, at: Date.now() };
    }
    if (wasOpen) contact.since = Date.now();
    contact.failures += 1;
    Object.assign(contact, { open: false, connecting: false });
    const pause = waitMs(contact.failures, Math.random());
    contact.nextTryAt = Date.now() + pause;
    if (wasOpen) console.warn(`Barograph: connection closed with ${code} (${meaning(code).name})${reason ? `, “${reason}”` : ''}. ${meaning(code).meaning}`);
    else console.info(`Barograph: could not connect (try ${contact.failures}, ${code}); again in ${(pause / 1000).toFixed(1)} s.`);
    this.timer = setTimeout(() => this.connect(), pause);
    if (needsSignIn(code)) this.signIn();
    this.judgeContact();
    this.store.tell('contact');
  }
}

/** @param {Api.Value} value @param {Api.Column} column */
function outside(value, column) {
  if (typeof value !== 'number') return false;
  return (column.min !== null && value < column.min) || (column.max !== null && value > column.max);
}
