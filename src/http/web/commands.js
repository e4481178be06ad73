// @ts-check
// Commands to the recorder: each has its answer.

import { Refused, post } from './api.js';

const WAIT_MS = 30000;

/**
 * @param {string} command
 * @param {Record<string, unknown>} [more]  its arguments
 * @returns {Promise<{ ok?: Record<string, unknown>, error?: { message: string, hint: string } }>}
 */
export async function order(command, more = {}) {
  try {
    return { ok: await post(`commands/${command}`, more, AbortSignal.timeout(WAIT_MS)) };
  } catch (error) {
    if (error instanceof Refused) return { error: { message: error.message, hint: error.hint } };
    return { error: { message: 'The recorder has not answered for 30 s.', hint: 'It may still do what it was asked. The log will tell.' } };
  }
}
