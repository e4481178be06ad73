// @ts-check
// Elements by hand. Text is always text: nothing here takes HTML.

const SVG = 'http://www.w3.org/2000/svg';

/**
 * @typedef {Node | string | number | null | undefined | false} Child
 * @typedef {Record<string, string | number | boolean | null | undefined | EventListener | ((event: any) => void)>} Attributes
 */

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes} [attributes]  `onclick` and the like are listeners; false and null are left out
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  dress(element, attributes, children);
  return element;
}

/**
 * @param {string} tag
 * @param {Attributes} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {SVGElement}
 */
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  dress(element, attributes, children);
  return element;
}

/** @param {Element} element @param {Attributes} attributes @param {(Child | Child[])[]} children */
function dress(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** A symbol of index.html. @param {string} name @param {string} [extra] class */
export function icon(name, extra = '') {
  return s('svg', { class: `icon ${extra}`.trim(), 'aria-hidden': 'true' }, s('use', { href: `#i-${name}` }));
}

/** A sign and its word. @param {string} level ok, degraded, critical, unknown @param {string} word */
export function tag(level, word) {
  return h('span', { class: `tag is-${level}` }, icon(level), word);
}

/** Sets text only if it changed: screen readers and selections are left in peace. @param {Element | null} element @param {string} text */
export function setText(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no #${id}`);
  return element;
}

/** @param {Node} parent @param {...(Child | Child[])} children */
export function fill(parent, ...children) {
  while (parent.firstChild) parent.firstChild.remove();
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    parent.appendChild(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

const REACHABLE = 'button, a, summary, [tabindex], input, select';

/** Where the focus should be again after its element was drawn anew. @param {Element} element */
function nameOf(element) {
  return `${element.tagName} ${element.getAttribute('aria-label') ?? element.textContent}`;
}

/**
 * The same as {@link fill}, for what changes while somebody reads it: what is open stays open, what is
 * scrolled stays there, and the focus stays on what has the same name.
 * @param {HTMLElement} parent
 * @param {...(Child | Child[])} children
 */
export function refill(parent, ...children) {
  const open = [...parent.querySelectorAll('details')].map((details) => details.open);
  const scrolled = [...parent.querySelectorAll('.scroll')].map(({ scrollLeft, scrollTop }) => [scrollLeft, scrollTop]);
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  fill(parent, ...children);
  parent.querySelectorAll('details').forEach((details, i) => (details.open = open[i] ?? false));
  parent.querySelectorAll('.scroll').forEach((element, i) => scrolled[i] && element.scrollTo(scrolled[i][0], scrolled[i][1]));
  if (focused && focused !== parent) refocus(focused, parent);
}

/** @param {Element | null} lost @param {ParentNode} [within] */
export function refocus(lost, within = document) {
  if (!(lost instanceof HTMLElement || lost instanceof SVGElement)) return;
  const again = lost.isConnected ? lost : [...within.querySelectorAll(REACHABLE)].find((element) => nameOf(element) === nameOf(lost));
  /** @type {HTMLElement | undefined} */ (again)?.focus({ preventScroll: true });
}

/**
 * @param {string} caption
 * @param {{ name: string, number?: boolean }[]} heads
 * @param {(Child | Child[])[][]} rows  the first cell of each is its heading
 */
export function table(caption, heads, rows) {
  const head = h('tr', {}, heads.map(({ name, number }) => h('th', { scope: 'col', class: number && 'num' }, name)));
  const body = rows.map((cells) => h('tr', {}, cells.map((cell, i) => {
    const attributes = { class: heads[i]?.number && 'num' };
    const parts = Array.isArray(cell) ? cell : [cell];
    return i === 0 ? h('th', { scope: 'row', ...attributes }, ...parts) : h('td', attributes, ...parts);
  })));
  // Focusable, because what scrolls must be reachable by keyboard.
  return h('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': caption }, h('table', {}, h('caption', {}, caption), h('thead', {}, head), h('tbody', {}, body)));
}

/** A file for the person. @param {string} name @param {Blob} blob */
export function download(name, blob) {
  const url = URL.createObjectURL(blob);
  const link = h('a', { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
