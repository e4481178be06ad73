// @ts-check
// uPlot, fetched when the first chart is drawn, and what the page's charts have in common.

import { h } from './dom.js';

/** @type {Promise<Plot.Constructor> | null} */
let loading = null;

/** @returns {Promise<Plot.Constructor>} */
export function loadPlot() {
  loading ??= new Promise((resolve, reject) => {
    document.head.append(h('link', { rel: 'stylesheet', href: 'vendor/uPlot.min.css' }));
    const failed = () => {
      loading = null;
      reject(new Error('The charts could not be loaded.'));
    };
    document.head.append(h('script', {
      src: 'vendor/uPlot.iife.min.js',
      onload: () => (window.uPlot ? resolve(window.uPlot) : failed()),
      onerror: failed,
    }));
  });
  return loading;
}

/** Colours of the theme, for a canvas. */
export function inks() {
  const style = getComputedStyle(document.documentElement);
  const ink = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`).trim();
  return { ink: ink('ink'), ink2: ink('ink-2'), rule: ink('rule'), fine: ink('rule-fine'), trace: ink('trace'), fill: ink('trace-fill'), warn: ink('warn'), bad: ink('bad'), brass: ink('brass-line'), sheet: ink('sheet'), paper: ink('paper') };
}

/**
 * A hatch: shape, not colour alone, says that nothing was recorded there.
 * @param {CanvasRenderingContext2D} ctx
 * @param {string} colour
 */
export function hatch(ctx, colour) {
  const tile = document.createElement('canvas');
  tile.width = 8;
  tile.height = 8;
  const pen = tile.getContext('2d');
  if (!pen) return colour;
  pen.strokeStyle = colour;
  pen.lineWidth = 1.4;
  pen.beginPath();
  for (const shift of [-8, 0, 8]) {
    pen.moveTo(shift, 8);
    pen.lineTo(shift + 8, 0);
  }
  pen.stroke();
  return ctx.createPattern(tile, 'repeat') ?? colour;
}

/** Marks on the axis of time, by the clock and calendar of here. */
export function timeAxis() {
  const clock = '{HH}:{mm}';
  const day = '\n{YYYY}-{MM}-{DD}';
  return [
    [31536000000, '{YYYY}', null, null, null, null, null, null, 1],
    [2419200000, '{MMM}', '\n{YYYY}', null, null, null, null, null, 1],
    [86400000, '{MM}-{DD}', '\n{YYYY}', null, null, null, null, null, 1],
    [3600000, clock, day, null, '\n{MM}-{DD}', null, null, null, 1],
    [60000, clock, day, null, '\n{MM}-{DD}', null, null, null, 1],
    [1000, `${clock}:{ss}`, day, null, '\n{MM}-{DD}', null, null, null, 1],
    [1, ':{ss}.{fff}', day, null, '\n{MM}-{DD}', null, null, null, 1],
  ];
}
