// @ts-check
// The health of the recorder in words: is it recording, since when, what is wrong, what is safe, what to do.

import { count, plural } from './format.js';

/** @type {Record<string, string>} */
export const MODES = {
  normal: 'messages go straight to the database',
  retrying: 'the batch in hand is tried again',
  degraded: 'messages go to the spool instead of the database',
  recovering: 'the spool is being emptied into the database, in order',
  holding: 'neither database nor spool takes messages',
};

/** @type {Record<string, string>} */
export const GAP_CAUSES = {
  process_down: 'no recorder was running',
  broker_unreachable: 'no connection to the broker',
  deaf: 'connected, but nothing came',
  broker_forgot_session: 'the broker had forgotten our session',
  broker_rolled_back: 'the broker came back with an old copy of its state',
  holding: 'neither database nor spool could be written',
  route_silent: 'the sensor sent nothing',
  clock_jump: 'the clock was set, or the machine slept',
  paused: 'a person paused the recorder',
  broker_dropped: 'the broker dropped messages',
  frozen: 'the recorder was stopped, or the machine too busy',
};

/** @param {string} cause */
export function gapCause(cause) {
  return GAP_CAUSES[cause] ?? cause.replace(/_/g, ' ');
}

/**
 * The large word and its sign.
 * @param {Api.Status | null} status
 * @param {{ lost: boolean, everConnected: boolean }} contact
 * @returns {{ word: string, level: 'ok' | 'degraded' | 'critical' | 'unknown', icon: string }}
 */
export function headline(status, contact) {
  if (contact.lost && contact.everConnected) return { word: 'No contact', level: 'unknown', icon: 'unknown' };
  if (!status) return { word: contact.lost ? 'No contact' : 'Asking', level: 'unknown', icon: 'unknown' };
  if (status.paused_since) return { word: 'Paused', level: 'degraded', icon: 'paused' };
  const receiving = status.broker.connection === 'connected' && status.mode.mode !== 'holding';
  if (!receiving) return { word: 'Not recording', level: 'critical', icon: 'critical' };
  // What is in the spool is safe, but it is not where it belongs.
  const level = status.health === 'critical' ? 'critical' : 'degraded';
  if (status.mode.mode === 'degraded') return { word: 'Recording to the spool', level, icon: level };
  if (status.health === 'critical') return { word: 'Recording, in danger', level: 'critical', icon: 'critical' };
  if (status.health === 'degraded') return { word: 'Recording, with trouble', level: 'degraded', icon: 'degraded' };
  return { word: 'Recording', level: 'ok', icon: 'ok' };
}

/** Since when the headline holds. @param {Api.Status} status @returns {string | null} UTC text */
export function since(status) {
  if (status.paused_since) return status.paused_since;
  if (status.broker.connection !== 'connected') return status.broker.since;
  if (status.mode.mode !== 'normal' && status.mode.since) return status.mode.since;
  if (status.health !== 'ok' && status.issues[0]) return status.issues[0].since;
  return status.broker.since ?? status.started;
}

/** What is safe, by where messages are now. @param {Api.Status} status */
export function safe(status) {
  const { account, mode, broker, spool } = status;
  const stored = `${plural(account.stored, 'message')} in the database`;
  const spooled = spool.messages > 0 ? `, ${plural(spool.messages, 'message')} in the spool` : '';
  if (mode.mode === 'holding') return `${stored}${spooled}. New ones of QoS 1 and 2 wait at the broker; QoS 0 waits in memory (${count(account.held)}).`;
  if (mode.mode === 'retrying') return `${stored}${spooled}. ${plural(account.held, 'message')} in hand, not acknowledged: the broker keeps them until they are stored.`;
  if (status.paused_since || broker.connection !== 'connected') return `${stored}${spooled}. The broker, if it runs, keeps messages of QoS 1 and 2 for us.`;
  const lost = account.dropped > 0 ? `${count(account.dropped)} dropped` : 'nothing dropped';
  return `${stored}${spooled}, ${lost}.`;
}

/** What is wrong beside what the summary above says. @param {Api.Status} status */
export function wrong(status) {
  const { issues } = status;
  if (issues.length === 0) return status.health === 'ok' ? 'Nothing' : 'Not known yet.';
  const critical = issues.filter(({ severity }) => severity === 'critical').length;
  const counts = [critical && `${critical} critical`, issues.length - critical && plural(issues.length - critical, 'warning')].filter(Boolean).join(', ');
  const others = issues.filter(({ summary }) => summary !== status.summary);
  if (others.length === 0) return `${counts}.`;
  return `${counts}. ${others.length < issues.length ? 'Also: ' : ''}${others[0].summary}${others.length > 1 ? ` And ${others.length - 1} more: see Log.` : ''}`;
}

/** What to do next. @param {Api.Status} status */
export function advice(status) {
  const worst = status.issues[0];
  if (worst?.hint) return worst.hint;
  if (status.paused_since) return 'Resume it when you are done: under Tower, or “barograph resume”.';
  if (status.health === 'ok') return 'Nothing. All is well.';
  return 'Wait: it recovers by itself, or will say what is needed.';
}

/**
 * When the words of health are of no use because it is unknown whether they still hold.
 * @param {{ sinceFrame: number, open: boolean }} contact  milliseconds since the last frame
 */
export function isLost(contact) {
  return !contact.open ? contact.sinceFrame > 3000 : contact.sinceFrame > SILENCE_MS;
}

/** The server says something every 5 s; twice that and a little is silence. */
export const SILENCE_MS = 12000;

/**
 * The stretches of one mode each, oldest first, from events newest first.
 * @param {Api.Event[]} events  only mode_changed
 * @param {string} mode  of now
 * @param {number} from
 * @param {number} now
 * @param {(text: string) => number | null} parse
 */
export function modeHistory(events, mode, from, now, parse) {
  const changes = events
    .map((event) => ({ at: parse(event.at) ?? 0, ...modeWords(event.detail) }))
    .filter((change) => change.mode in MODES)
    .sort((a, b) => a.at - b.at);
  /** @type {{ mode: string, from: number, to: number }[]} */
  const spans = [];
  let [at, current] = [from, changes.length > 0 ? changes[0].before : mode];
  for (const change of changes) {
    if (change.at > at) spans.push({ mode: current, from: at, to: Math.min(change.at, now) });
    [at, current] = [Math.max(at, change.at), change.mode];
  }
  if (now > at) spans.push({ mode: current, from: at, to: now });
  return spans;
}

/** "degraded, after normal (cause: …" @param {string} detail */
function modeWords(detail) {
  const words = /^(\w+)(?:, after (\w+))?/.exec(detail);
  const before = words?.[2] ?? 'normal';
  return { mode: words?.[1] ?? '', before: before in MODES ? before : 'normal' };
}

/** @type {Record<string, string>} */
export const WAITS = {
  nothing: 'Nothing waits.',
  window: 'Messages wait for a batch to be formed.',
  commit: 'Messages wait for the disk to commit.',
  spool: 'Messages wait in the spool for the database.',
  broker: 'Messages wait at the broker.',
};
