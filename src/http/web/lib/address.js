// @ts-check
// The address of what is shown: #/history?range=24h&units=°F. Everything that a link should bring back
// is in it.

export const VIEWS = ['now', 'history', 'wind', 'tower', 'log'];

/**
 * @param {string} hash
 * @returns {{ view: string, params: Record<string, string> }}
 */
export function parseAddress(hash) {
  const [path, query] = hash.replace(/^#\/?/, '').split('?', 2);
  const view = VIEWS.includes(path) ? path : 'now';
  return { view, params: Object.fromEntries(new URLSearchParams(query ?? '')) };
}

/**
 * @param {string} view
 * @param {Record<string, string | undefined>} params
 */
export function printAddress(view, params) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) if (value) query.set(key, value);
  // Commas and colons are legible, and allowed in a fragment.
  const text = query.toString().replace(/%2C/g, ',').replace(/%3A/g, ':').replace(/%2F/g, '/');
  return `#/${view}${text ? `?${text}` : ''}`;
}
