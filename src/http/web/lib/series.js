// @ts-check
// A series as the server sends it: only buckets that have rows. Here it is continued at the live edge,
// broken where nothing was recorded, and summed up in words.

/** @param {number} from @param {number} to @param {number} bucket @param {string[]} names @param {string} route @returns {Api.Series} */
export function emptySeries(route, names, from, to, bucket) {
  /** @type {Record<string, Api.Buckets>} */
  const columns = {};
  for (const name of names) columns[name] = emptyBuckets();
  return { route, from_ms: from, to_ms: to, bucket_ms: bucket, t: [], columns };
}

/** @returns {Api.Buckets} */
function emptyBuckets() {
  return { count: [], min: [], max: [], mean: [], sum: [], first: [], last: [] };
}

/** @type {(keyof Api.Buckets)[]} */
const STATISTICS = ['count', 'min', 'max', 'mean', 'sum', 'first', 'last'];

/**
 * The series with the later one in place of its end: what the tail says of a bucket counts.
 * @param {Api.Series} series
 * @param {Api.Series} tail  of the same bucket width
 * @returns {Api.Series}
 */
export function withTail(series, tail) {
  if (tail.t.length === 0) return { ...series, to_ms: Math.max(series.to_ms, tail.to_ms) };
  let keep = series.t.length;
  while (keep > 0 && series.t[keep - 1] >= tail.t[0]) keep -= 1;
  /** @type {Record<string, Api.Buckets>} */
  const columns = {};
  for (const name of Object.keys(series.columns)) {
    const joined = emptyBuckets();
    for (const statistic of STATISTICS) {
      const before = series.columns[name][statistic] ?? [];
      const after = tail.columns[name]?.[statistic] ?? tail.t.map(() => null);
      joined[statistic] = [...before.slice(0, keep), ...after];
    }
    columns[name] = joined;
  }
  const t = [...series.t.slice(0, keep), ...tail.t];
  return { ...series, t, columns, to_ms: Math.max(series.to_ms, tail.to_ms) };
}

/**
 * Adds rows that were recorded just now, in place. Rows older than the last bucket are left to the next
 * tail from the server.
 * @param {Api.Series} series
 * @param {string[]} names  of the values in each row
 * @param {[number, (number | string | boolean | null)[]][]} rows
 */
export function addRows(series, names, rows) {
  for (const [at, values] of rows) {
    const start = Math.floor(at / series.bucket_ms) * series.bucket_ms;
    const last = series.t[series.t.length - 1];
    if (last !== undefined && start < last) continue;
    if (last === undefined || start > last) openBucket(series, start);
    names.forEach((name, index) => {
      const value = values[index];
      const buckets = series.columns[name];
      if (buckets && typeof value === 'number') addValue(buckets, series.t.length - 1, value);
    });
    series.to_ms = Math.max(series.to_ms, at);
  }
}

/** @param {Api.Series} series @param {number} start */
function openBucket(series, start) {
  series.t.push(start);
  for (const buckets of Object.values(series.columns)) {
    for (const statistic of STATISTICS) buckets[statistic]?.push(statistic === 'count' ? 0 : null);
  }
}

/** @param {Api.Buckets} buckets @param {number} at @param {number} value */
function addValue(buckets, at, value) {
  const n = (buckets.count[at] ?? 0) + 1;
  const sum = (buckets.sum[at] ?? 0) + value;
  buckets.count[at] = n;
  buckets.sum[at] = sum;
  buckets.mean[at] = sum / n;
  buckets.min[at] = Math.min(buckets.min[at] ?? value, value);
  buckets.max[at] = Math.max(buckets.max[at] ?? value, value);
  buckets.first[at] ??= value;
  buckets.last[at] = value;
}

/** Forgets what is older than this, in place. @param {Api.Series} series @param {number} from */
export function dropBefore(series, from) {
  let drop = 0;
  while (drop < series.t.length && series.t[drop] + series.bucket_ms <= from) drop += 1;
  if (drop === 0) return;
  series.t.splice(0, drop);
  for (const buckets of Object.values(series.columns)) {
    for (const statistic of STATISTICS) buckets[statistic]?.splice(0, drop);
  }
}

/**
 * How far apart buckets with rows usually are: a line is broken where they are much farther apart.
 * @param {number[]} t
 * @param {number} bucket
 */
export function usualStep(t, bucket) {
  const steps = [];
  for (let i = 1; i < t.length; i += 1) steps.push(t[i] - t[i - 1]);
  steps.sort((a, b) => a - b);
  return Math.max(bucket, steps[Math.floor(steps.length / 2)] ?? bucket);
}

/**
 * Columns as a chart wants them: times in the middle of their buckets, and a null in each stretch without
 * rows, so that no line pretends to know it.
 * @param {Api.Series} series
 * @param {string} name
 * @param {(value: number) => number} convert  to the shown unit
 * @param {boolean} [circular]  a direction has no mean: the last of each bucket stands for it
 * @returns {{ t: number[], mean: (number | null)[], min: (number | null)[], max: (number | null)[] }}
 */
export function drawable(series, name, convert, circular = false) {
  const buckets = series.columns[name] ?? emptyBuckets();
  const far = 2.5 * usualStep(series.t, series.bucket_ms);
  const half = series.bucket_ms / 2;
  const shown = { t: /** @type {number[]} */ ([]), mean: /** @type {(number|null)[]} */ ([]), min: /** @type {(number|null)[]} */ ([]), max: /** @type {(number|null)[]} */ ([]) };
  const put = (/** @type {number} */ t, /** @type {number | null} */ i) => {
    shown.t.push(t);
    for (const statistic of /** @type {const} */ (['mean', 'min', 'max'])) {
      const value = i === null ? null : buckets[circular ? 'last' : statistic][i];
      shown[statistic].push(value === null || value === undefined ? null : convert(value));
    }
  };
  series.t.forEach((t, i) => {
    const around = circular && Math.abs(Number(buckets.last[i]) - Number(buckets.last[i - 1])) > 180;
    if (i > 0 && (around || t - series.t[i - 1] > far)) put((t + series.t[i - 1]) / 2 + half, null);
    put(t + half, i);
  });
  return shown;
}

/**
 * What has come together since the beginning of the range, for rain and the like.
 * @param {Api.Series} series
 * @param {string} name
 * @param {(value: number) => number} convert
 */
export function running(series, name, convert) {
  let total = 0;
  const mean = series.t.map((_, i) => convert((total += series.columns[name]?.sum[i] ?? 0)));
  return { t: series.t.map((t) => t + series.bucket_ms / 2), mean, min: mean, max: mean };
}

/**
 * @typedef {{ count: number, min: number, minAt: number, max: number, maxAt: number, mean: number, last: number, sum: number }} Summary
 */

/**
 * @param {Api.Series} series
 * @param {string} name
 * @returns {Summary | null}  in the column's own unit; null without a single value
 */
export function summary(series, name) {
  const buckets = series.columns[name];
  if (!buckets) return null;
  /** @type {Summary} */
  const found = { count: 0, min: Infinity, minAt: 0, max: -Infinity, maxAt: 0, mean: 0, last: 0, sum: 0 };
  series.t.forEach((t, i) => {
    const [low, high, n] = [buckets.min[i], buckets.max[i], buckets.count[i] ?? 0];
    if (low === null || low === undefined || high === null || high === undefined || n === 0) return;
    if (low < found.min) [found.min, found.minAt] = [low, t];
    if (high > found.max) [found.max, found.maxAt] = [high, t];
    found.count += n;
    found.sum += buckets.sum[i] ?? (buckets.mean[i] ?? 0) * n;
    found.last = buckets.last[i] ?? buckets.mean[i] ?? found.last;
  });
  if (found.count === 0) return null;
  found.mean = found.sum / found.count;
  return found;
}

/**
 * The same series in at most so many rows, for a table that people and screen readers can bear.
 * @param {Api.Series} series
 * @param {string} name
 * @param {number} most
 * @returns {{ from: number, to: number, min: number, mean: number, max: number }[]}
 */
export function rows(series, name, most) {
  const buckets = series.columns[name];
  if (!buckets) return [];
  const each = Math.max(1, Math.ceil(series.t.length / most));
  const found = [];
  for (let at = 0; at < series.t.length; at += each) {
    const part = summary(sliced(series, name, at, at + each), name);
    const last = Math.min(at + each, series.t.length) - 1;
    if (part) found.push({ from: series.t[at], to: series.t[last] + series.bucket_ms, min: part.min, mean: part.mean, max: part.max });
  }
  return found;
}

/** @param {Api.Series} series @param {string} name @param {number} from @param {number} to @returns {Api.Series} */
function sliced(series, name, from, to) {
  const cut = emptyBuckets();
  for (const statistic of STATISTICS) cut[statistic] = (series.columns[name][statistic] ?? []).slice(from, to);
  return { ...series, t: series.t.slice(from, to), columns: { [name]: cut } };
}
