// @ts-check
// What is shown, as an SVG file: a small renderer for print and for other programs. Everything from
// outside is escaped.

/**
 * @typedef {{ title: string, unit: string, t: number[], mean: (number | null)[], min: (number | null)[], max: (number | null)[], digits: number }} Panel
 * @typedef {{ from: number, to: number, heading: string, gaps: { from: number, to: number, cause: string }[], say: (ms: number) => string }} Frame
 */

/** @param {string} text */
export function escape(text) {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

const WIDTH = 1000;
const HEIGHT = 220;
const LEFT = 64;
const TOP = 34;

/**
 * @param {Panel[]} panels
 * @param {Frame} frame
 */
export function svgCharts(panels, frame) {
  const height = 50 + panels.length * (HEIGHT + TOP + 30);
  const parts = panels.map((panel, i) => `<g transform="translate(0 ${50 + i * (HEIGHT + TOP + 30)})">${panelSvg(panel, frame)}</g>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH + 20} ${height}" font-family="Georgia, serif" font-size="12" fill="#1f2147">
<rect width="100%" height="100%" fill="#fbf8f0"/>
<defs><pattern id="gap" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="2" height="6" fill="#b9a98a"/></pattern></defs>
<text x="${LEFT}" y="30" font-size="18">${escape(frame.heading)}</text>
${parts.join('\n')}
</svg>
`;
}

/** @param {Panel} panel @param {Frame} frame */
function panelSvg(panel, frame) {
  const [low, high] = extent(panel);
  const x = (/** @type {number} */ ms) => LEFT + ((ms - frame.from) / (frame.to - frame.from)) * (WIDTH - LEFT);
  const y = (/** @type {number} */ value) => TOP + HEIGHT - ((value - low) / (high - low)) * HEIGHT;
  const rules = ticks(low, high, 5).map((value) => `<path d="M${LEFT} ${y(value).toFixed(1)}H${WIDTH}" stroke="#e0d4ba"/><text x="${LEFT - 8}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end">${value.toFixed(panel.digits)}</text>`);
  const times = [0, 1, 2, 3, 4].map((n) => frame.from + (n / 4) * (frame.to - frame.from));
  const labels = times.map((ms, n) => `<text x="${x(ms).toFixed(1)}" y="${TOP + HEIGHT + 18}" text-anchor="${n === 0 ? 'start' : n === 4 ? 'end' : 'middle'}">${escape(frame.say(ms))}</text>`);
  const gaps = frame.gaps.map((gap) => {
    const [a, b] = [Math.max(LEFT, x(gap.from)), Math.min(WIDTH, x(gap.to))];
    return b <= LEFT || a >= WIDTH ? '' : `<rect x="${a.toFixed(1)}" y="${TOP}" width="${Math.max(1, b - a).toFixed(1)}" height="${HEIGHT}" fill="url(#gap)"><title>${escape(gap.cause)}</title></rect>`;
  });
  return `<text x="${LEFT}" y="22" font-size="15">${escape(panel.title)}${panel.unit ? `, ${escape(panel.unit)}` : ''}</text>
${rules.join('')}${gaps.join('')}${labels.join('')}
<path d="${bandPath(panel, x, y)}" fill="#3b2a8c" fill-opacity="0.18"/>
<path d="${linePath(panel.t, panel.mean, x, y)}" fill="none" stroke="#3b2a8c" stroke-width="1.4" stroke-linejoin="round"/>
<rect x="${LEFT}" y="${TOP}" width="${WIDTH - LEFT}" height="${HEIGHT}" fill="none" stroke="#8a7a58"/>`;
}

/** @param {Panel} panel @returns {[number, number]} */
function extent(panel) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of [...panel.min, ...panel.max]) {
    if (value === null) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (!Number.isFinite(low)) return [0, 1];
  const room = (high - low || Math.abs(high) || 1) * 0.05;
  return [low - room, high + room];
}

/**
 * Round numbers within a range, about so many.
 * @param {number} low
 * @param {number} high
 * @param {number} about
 */
export function ticks(low, high, about) {
  const raw = (high - low) / Math.max(1, about);
  if (!(raw > 0) || !Number.isFinite(raw)) return [];
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= raw) ?? 10 * power;
  const found = [];
  for (let n = Math.ceil(low / step); n * step <= high + step * 1e-9; n += 1) found.push(Number((n * step).toPrecision(12)));
  return found;
}

/**
 * A line with a break at each null.
 * @param {number[]} t
 * @param {(number | null)[]} values
 * @param {(ms: number) => number} x
 * @param {(value: number) => number} y
 */
export function linePath(t, values, x, y) {
  let path = '';
  let pen = false;
  t.forEach((at, i) => {
    const value = values[i];
    if (value === null || value === undefined) {
      pen = false;
      return;
    }
    path += `${pen ? 'L' : 'M'}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = true;
  });
  return path;
}

/**
 * @param {Pick<Panel, 't' | 'min' | 'max'>} panel
 * @param {(ms: number) => number} x
 * @param {(value: number) => number} y
 */
export function bandPath(panel, x, y) {
  let path = '';
  let start = 0;
  for (let i = 0; i <= panel.t.length; i += 1) {
    const whole = i < panel.t.length && panel.min[i] !== null && panel.max[i] !== null;
    if (whole) continue;
    if (i - start > 1) {
      const up = [];
      const down = [];
      for (let k = start; k < i; k += 1) {
        up.push(`${x(panel.t[k]).toFixed(1)} ${y(Number(panel.max[k])).toFixed(1)}`);
        down.unshift(`${x(panel.t[k]).toFixed(1)} ${y(Number(panel.min[k])).toFixed(1)}`);
      }
      path += `M${up.join('L')}L${down.join('L')}Z`;
    }
    start = i + 1;
  }
  return path;
}
