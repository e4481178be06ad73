// @ts-check
// Buttons that make the recorder do something: only for an admin, each asked twice.

import { order } from '../commands.js';
import { confirm, tellPerson } from './dialogs.js';
import { h } from './dom.js';

/**
 * @param {string} word
 * @param {{ title: string, text: string, command: string, more?: Record<string, unknown>, danger?: boolean, label?: string }} what
 */
export function orderButton(word, what) {
  const button = h('button', {
    type: 'button', class: `button${what.danger ? ' danger' : ''}`, 'data-order': what.command, 'aria-label': what.label ?? false,
    onclick: async () => {
      if (!(await confirm(what.title, what.text, word))) return;
      button.disabled = true;
      const answer = await order(what.command, what.more);
      button.disabled = false;
      if (answer.error) tellPerson(`${what.title.replace(/\?$/, '')}: refused`, answer.error.message, answer.error.hint);
      else tellPerson('Done', said(answer.ok ?? {}));
    },
  }, word);
  return button;
}

/** @param {Record<string, unknown>} answer */
function said(answer) {
  const parts = Object.entries(answer).map(([key, value]) => `${key.replace(/_/g, ' ')}: ${typeof value === 'object' ? JSON.stringify(value) : value}`);
  return parts.length > 0 ? parts.join(', ') : 'Done. The log has the command and its sender.';
}

/** @param {Api.Status} status */
export function generalOrders(status) {
  return [
    status.paused_since
      ? orderButton('Resume', { title: 'Resume recording?', text: 'The recorder connects to the broker again and takes what was kept for it.', command: 'resume' })
      : orderButton('Pause', { title: 'Pause recording?', text: 'The recorder stops receiving. The broker keeps messages of QoS 1 and 2; what is sent at QoS 0 meanwhile is missing, and noted as a gap.', command: 'pause', danger: true }),
    orderButton('Checkpoint', { title: 'Checkpoint the WAL?', text: 'What is in the write-ahead log is copied into the database file. Recording goes on.', command: 'checkpoint' }),
    orderButton('Test alerts', { title: 'Send a test alert?', text: 'Every alert channel sends one message that says it is a test.', command: 'alert-test' }),
    status.account.quarantined > 0 && orderButton('Replay quarantine', { title: 'Replay the quarantine?', text: `${status.account.quarantined} messages could not become rows. Those that are valid by the present settings are stored, with their own time of arrival.`, command: 'quarantine-replay' }),
  ];
}

/** @param {string} actor @param {boolean} faults */
export function actorOrders(actor, faults) {
  if (actor === 'supervisor') return [];
  const fault = (/** @type {string} */ kind) => orderButton(kind, { title: `Make ${actor} ${kind}?`, text: 'This injects a fault. The supervisor must notice it and restart the actor.', command: 'fault', more: { actor, fault: kind }, danger: true, label: `${kind} ${actor}` });
  return [
    orderButton('Restart', { title: `Restart ${actor}?`, text: 'It is stopped in order and started again. Nothing is lost: what is not stored is not acknowledged.', command: 'restart-actor', more: { actor }, label: `Restart ${actor}` }),
    ...(faults ? [fault('panic'), fault('stop'), fault('hang')] : []),
  ];
}
