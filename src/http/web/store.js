// @ts-check
// What the page knows, and who wants to hear of it.

import { parsePreferences } from './lib/units.js';
import { browserZone } from './lib/zone.js';

/**
 * @typedef {'status' | 'latest' | 'rows' | 'event' | 'contact' | 'tick' | 'units' | 'session' | 'theme' | 'resumed'} Topic
 * @typedef {{
 *   open: boolean, everConnected: boolean, connecting: boolean, since: number, lastFrameAt: number, failures: number,
 *   nextTryAt: number | null, closed: { code: number, reason: string, at: number } | null,
 * }} Contact
 */

export class Store {
  constructor() {
    /** @type {Api.Status | null} */
    this.status = null;
    /** @type {Map<string, Api.LatestRoute>} */
    this.latest = new Map();
    /** @type {Api.Route[]} */
    this.routes = [];
    /** @type {Api.Session} */
    this.session = { admin: false, signed_in: false, anonymous_read: true, commands: false, fault_injection: false };
    /** @type {import('./lib/units.js').Preferences} */
    this.units = parsePreferences(null);
    this.zone = browserZone();
    /** By how much the recorder's clock is ahead of this one. */
    this.skew = 0;
    /** @type {Contact} */
    this.contact = {
      open: false, everConnected: false, connecting: false, since: Date.now(), lastFrameAt: Date.now(), failures: 0, nextTryAt: null, closed: null,
    };
    this.lost = false;
    /** @type {Map<Topic, Set<(data?: any) => void>>} */
    this.listeners = new Map();
  }

  /** The time by the recorder's clock, so that ages are true on a computer whose clock is not. */
  now() {
    return Date.now() + this.skew;
  }

  /**
   * @param {Topic} topic
   * @param {(data?: any) => void} listener
   * @returns {() => void} to stop
   */
  on(topic, listener) {
    const all = this.listeners.get(topic) ?? new Set();
    this.listeners.set(topic, all);
    all.add(listener);
    return () => all.delete(listener);
  }

  /** @param {Topic} topic @param {unknown} [data] */
  tell(topic, data) {
    for (const listener of this.listeners.get(topic) ?? []) {
      // One view that fails must not silence the others, nor the connection.
      try {
        listener(data);
      } catch (error) {
        console.error(`The page could not show ${topic}`, error);
      }
    }
  }

  /** When the newest row of any route came. @returns {number | null} */
  newestRow() {
    let newest = /** @type {number | null} */ (null);
    for (const { received_at_ms: at } of this.latest.values()) if (at !== null && at > (newest ?? 0)) newest = at;
    return newest;
  }

  /** When the oldest row came, if the server says. @returns {number | null} */
  oldestRow() {
    const known = this.routes.map((route) => route.first_at_ms).filter((ms) => typeof ms === 'number');
    return known.length > 0 ? Math.min(.../** @type {number[]} */ (known)) : null;
  }
}

/**
 * Reads and writes of this browser's store, which may be forbidden.
 * @param {string} key
 * @param {string} [value]
 * @returns {string | null}
 */
export function remembered(key, value) {
  try {
    if (value !== undefined) localStorage.setItem(`barograph.${key}`, value);
    return localStorage.getItem(`barograph.${key}`);
  } catch {
    return null;
  }
}
