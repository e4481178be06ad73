// @ts-check
// Questions to the server. An answer that is no answer becomes an error with a sentence.

export class Refused extends Error {
  /** @param {number} status @param {string} message @param {string} hint */
  constructor(status, message, hint) {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

/**
 * @param {string} path  below /api/v1/
 * @param {Record<string, string | number | null | undefined>} [query]
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function get(path, query = {}, signal) {
  return answer(await send(address(path, query), { signal, headers: { Accept: 'application/json' } }));
}

/** @param {string} path @param {object} body @param {AbortSignal} [signal] @returns {Promise<any>} */
export async function post(path, body, signal) {
  const headers = { 'Content-Type': 'application/json' };
  return answer(await send(address(path, {}), { method: 'POST', headers, body: JSON.stringify(body), signal }));
}

/** @param {string} path @param {Record<string, string | number | null | undefined>} query */
export function address(path, query) {
  const known = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== '');
  const text = new URLSearchParams(known.map(([key, value]) => [key, String(value)])).toString();
  return `api/v1/${path}${text ? `?${text}` : ''}`;
}

/** @param {string} url @param {RequestInit} how */
async function send(url, how) {
  try {
    return await fetch(url, { credentials: 'same-origin', ...how });
  } catch (error) {
    if (error instanceof DOMException && /^(Abort|Timeout)Error$/.test(error.name)) throw error;
    throw new Refused(0, 'The recorder does not answer.', 'It is asked again as soon as the connection is back.');
  }
}

/** @param {Response} response */
async function answer(response) {
  const text = await response.text();
  let body = null;
  try {
    body = text === '' ? {} : JSON.parse(text);
  } catch {
    throw new Refused(response.status, `The answer of the recorder (${response.status}) cannot be read.`, 'A proxy between may have answered in its place.');
  }
  if (response.ok) return body;
  const said = body?.error ?? {};
  throw new Refused(response.status, said.message ?? `The recorder answered ${response.status}.`, said.hint ?? '');
}
