// @ts-check
// What a close code of the WebSocket means, for a person who has never heard of one.

/** @type {Record<number, [string, string]>} */
const MEANINGS = {
  1000: ['normal', 'The connection was closed in order.'],
  1001: ['going away', 'The recorder is stopping, or has stopped.'],
  1002: ['no WebSocket', 'The recorder received something that no browser sends.'],
  1003: ['unsupported data', 'The recorder received data of a kind that it does not accept from a page.'],
  1005: ['no code', 'The connection was closed without a reason.'],
  1006: ['cut off', 'The connection broke without a close: the recorder was killed, its machine is off, or the network between is down.'],
  1007: ['bad data', 'The recorder received a text that is not UTF-8.'],
  1008: ['policy', 'The recorder refuses this page: the session is not valid, or the page came from another address.'],
  1009: ['too big', 'The recorder received a message above its limit.'],
  1011: ['internal error', 'The part of the recorder that serves this page failed.'],
  1012: ['service restart', 'The recorder restarts and will be back in a moment.'],
  1013: ['too many viewers', 'The recorder has its maximum number of viewers; there may be room later.'],
  4000: ['slow viewer', 'This page read its messages more slowly than they came. The recorder closed it, so that recording never waits for a viewer.'],
  4001: ['session ended', 'The token was changed or the session ended: sign in again.'],
  4002: ['idle too long', 'This page sent nothing for too long.'],
  4900: ['silence', 'The connection was open, but nothing came; this page closed it.'],
  4901: ['sequence broken', 'A message was missing; this page loads everything again.'],
};

/**
 * @param {number} code
 * @returns {{ name: string, meaning: string }}
 */
export function meaning(code) {
  const known = MEANINGS[code];
  if (known) return { name: known[0], meaning: known[1] };
  if (code >= 4000) return { name: 'unknown', meaning: 'The recorder gave a code that this page does not know.' };
  return { name: 'unknown', meaning: 'The connection was closed with a code that this page does not know.' };
}

/** Codes after which trying again cannot help before a person signs in. @param {number} code */
export function needsSignIn(code) {
  return code === 1008 || code === 4001;
}
