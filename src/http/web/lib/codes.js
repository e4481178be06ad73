// @ts-check
// What a close code of the WebSocket means, for somebody who has never heard of one.

/** @type {Record<number, [string, string]>} */
const MEANINGS = {
  1000: ['normal', 'The connection was closed in order.'],
  1001: ['going away', 'The recorder is stopping, or has stopped.'],
  1002: ['no WebSocket', 'The recorder was sent something that no browser sends.'],
  1003: ['unsupported data', 'The recorder was sent something it does not take from a page.'],
  1005: ['no code', 'The connection was closed without a reason.'],
  1006: ['cut off', 'The connection broke without a word: the recorder was killed, its machine is off, or the network between is down.'],
  1007: ['bad data', 'The recorder was sent text that is no text.'],
  1008: ['policy', 'The recorder refuses this page: the session is not valid, or the page came from another address.'],
  1009: ['too big', 'The recorder was sent more in one message than it takes.'],
  1011: ['internal error', 'Something went wrong in the part of the recorder that serves this page.'],
  1012: ['service restart', 'The recorder restarts and will be back in a moment.'],
  1013: ['too many viewers', 'The recorder has as many viewers as it may have; there may be room later.'],
  4000: ['slow viewer', 'This page took its messages more slowly than they came, and was let go so that recording waits for nobody.'],
  4001: ['session ended', 'The token was changed or the session ended: sign in again.'],
  4002: ['idle too long', 'Nothing was heard from this page for too long.'],
  4900: ['silence', 'The connection stood, but nothing came any more; this page gave it up.'],
  4901: ['sequence broken', 'A message was missing; this page asks for everything anew.'],
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

/** Codes after which trying again cannot help before somebody signs in. @param {number} code */
export function needsSignIn(code) {
  return code === 1008 || code === 4001;
}
