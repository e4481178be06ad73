// What a recorder would know: the simulated station's routes, series, gaps, events and status.

import { dewPoint, heading, magnitude, seaLevelPressure } from '../../src/http/web/lib/derived.js';
import { field, weather } from './year.mjs';

const HOUR = 3600000;
const DAY = 24 * HOUR;
export const text = (ms) => new Date(ms).toISOString().replace('T', ' ').replace('Z', '');

const real = (name, unit = null, min = null, max = null) => ({ name, kind: 'real', unit, label: null, decimals: null, min, max });
const integer = (name, unit = null) => ({ name, kind: 'integer', unit, min: null, max: null });
const derived = (name, kind, of, unit, more = {}) => ({ name, kind, of, unit, per: null, factor: 1, offset: 0, ...more });

export class Recorder {
  /** @param {{ days?: number, every?: number }} [how] */
  constructor({ days = 365, every = 1000 } = {}) {
    this.begin = Date.now() - days * DAY;
    this.every = every;
    this.started = Date.now() - 3 * DAY - 4 * HOUR;
    this.routes = [
      { route: 'weather_data', topic: '+/+/weatherstation/weathermeters/#', qos: 1, silent_after_s: 300, time_column: 'timestamp', first_at_ms: this.begin,
        columns: [integer('timestamp'), integer('sample_interval'), real('temperature', '°C', -60, 60), real('humidity', '%', 0, 100), real('pressure', 'hPa'), real('irradiance', 'W/m²'), integer('wind_direction'), integer('rain_gauge_count'), integer('anemometer_count')],
        derived: [derived('wind_speed', 'counter_rate', ['anemometer_count'], 'm/s', { per: 1.5 }), derived('rain', 'counter_delta', ['rain_gauge_count'], 'mm', { factor: 0.2794 }), derived('dew_point', 'dew_point', ['temperature', 'humidity'], '°C'), derived('pressure_at_sea_level', 'sea_level_pressure', ['pressure', 'temperature'], 'hPa', { offset: 64 })] },
      { route: 'magnetic_flux_data', topic: '+/+/weatherstation/magneticfluxsensor/#', qos: 1, silent_after_s: 300, time_column: null, first_at_ms: this.begin,
        columns: [real('x'), real('y'), real('z')],
        derived: [derived('field_strength', 'magnitude', ['x', 'y', 'z'], 'T', { factor: 9.174e-8 }), derived('field_heading', 'heading', ['x', 'y'], '°')] },
    ];
    const at = (ago, long, cause, route, detail) => ({ from: text(Date.now() - ago), to: long === null ? null : text(Date.now() - ago + long), cause, route, detail });
    this.gaps = [
      at(201 * DAY, 2.4 * DAY, 'process_down', null, 'no recorder ran'), at(120 * DAY, 9 * HOUR, 'broker_unreachable', null, 'refused'),
      at(64 * DAY, 5 * HOUR, 'holding', null, 'the disk was full'), at(9 * DAY, 3.2 * HOUR, 'route_silent', 'weather_data', 'nothing for 5 min'),
      at(5.2 * HOUR, 34 * 60000, 'broker_unreachable', null, 'connection refused'), at(22 * 60000, 3 * 60000, 'process_down', null, 'killed'),
    ];
    this.account = { received: 12612044, received_before: 0, stored: 12611981, rows: 12611981, duplicate: 41, filtered: 0, quarantined: 22, dropped: 0, spooled: 0, held: 0, balanced: true };
    this.events = this.#events();
    this.issues = [];
    this.mode = 'normal';
    this.connection = 'connected';
    this.paused = null;
  }

  #events() {
    const list = [
      [3.2 * DAY, 'starting', null, 'info', 'Barograph 0.4.0, process 4711'], [3.17 * DAY, 'database_opened', 'db_writer', 'info', '/var/lib/barograph/weather_data.db'],
      [3.16 * DAY, 'ready', null, 'info', 'database open, broker connected'], [1.6 * DAY, 'write_failed', 'db_writer', 'warning', 'locked: another program holds the database (sqlite3, process 911)'],
      [1.6 * DAY - 3000, 'mode_changed', 'health', 'warning', 'retrying, after normal (cause: locked, since 2026-11-24 01:02:03.000 UTC): nothing is acknowledged'],
      [1.59 * DAY, 'mode_changed', 'health', 'warning', 'degraded, after retrying (cause: locked, since 2026-11-24 01:02:03.000 UTC): messages go to the spool'],
      [1.41 * DAY, 'mode_changed', 'health', 'info', 'recovering, after degraded (cause: locked): the spool is emptied'],
      [1.4 * DAY, 'spool_drained', 'db_writer', 'info', '3,120 messages'], [1.4 * DAY - 1000, 'mode_changed', 'health', 'info', 'normal, after recovering (cause: locked): all is stored'],
      [5.2 * HOUR, 'broker_disconnected', 'mqtt', 'warning', 'connection reset by peer'], [5.19 * HOUR, 'broker_unreachable', 'mqtt', 'warning', 'refused'],
      [4.64 * HOUR, 'broker_connected', 'mqtt', 'info', 'session_present=true'], [2 * HOUR, 'quarantined', 'mqtt', 'warning', '3 <b>messages</b> & "more"'],
      [50 * 60000, 'actor_restarted', 'stats', 'warning', 'panicked: index out of bounds; attempt 1'], [22 * 60000, 'stopping', null, 'info', 'SIGTERM'], [19 * 60000, 'ready', null, 'info', 'database open'],
    ];
    for (let i = 1; i < 300; i += 1) list.push([(3.3 + i / 3) * DAY, 'stats', 'stats', 'info', `received ${i * 4000} = stored ${i * 4000}`]);
    list.sort((a, b) => b[0] - a[0]);
    return list.map(([ago, event, actor, severity, detail], i) => ({ id: i + 1, at: text(Date.now() - ago), event, actor, severity, detail })).reverse();
  }

  /** Values of all columns at a moment. */
  at(route, ms) {
    return route === 'weather_data' ? weather(ms, this.begin) : field(ms);
  }

  /** Derived ones, between this moment and the one before. */
  derivedAt(route, ms, before = ms - this.every) {
    const now = this.at(route, ms);
    if (route !== 'weather_data') return { field_strength: 9.174e-8 * magnitude([now.x, now.y, now.z]), field_heading: heading(now.x, now.y) };
    const then = this.at(route, Math.max(before, this.begin));
    return {
      wind_speed: (now.anemometer_count - then.anemometer_count) / ((ms - before) / 1000) / 1.5,
      rain: (now.rain_gauge_count - then.rain_gauge_count) * 0.2794,
      dew_point: dewPoint(now.temperature, now.humidity),
      pressure_at_sea_level: seaLevelPressure(now.pressure, 64, now.temperature),
    };
  }

  isGap(route, ms) {
    return ms < this.begin || this.gaps.some((gap) => (gap.route === null || gap.route === route) && Date.parse(`${gap.from.replace(' ', 'T')}Z`) <= ms && ms < (gap.to ? Date.parse(`${gap.to.replace(' ', 'T')}Z`) : Infinity));
  }

  /** @param {string} route @param {string[]} names @param {number} from @param {number} to @param {number} bucket */
  series(route, names, from, to, bucket) {
    const columns = Object.fromEntries(names.map((name) => [name, { count: [], min: [], max: [], mean: [], sum: [], first: [], last: [] }]));
    const t = [];
    const last = Math.min(to, this.now());
    for (let start = Math.floor(from / bucket) * bucket; start < last; start += bucket) {
      const end = Math.min(start + bucket, last);
      const samples = [0.1, 0.35, 0.6, 0.95].map((f) => start + f * (end - start)).filter((ms) => !this.isGap(route, ms));
      if (samples.length === 0) continue;
      t.push(start);
      const rows = samples.map((ms) => ({ ...this.at(route, ms), ...this.derivedAt(route, ms, ms - Math.max(bucket / 4, this.every * 8)) }));
      const share = (samples.length / 4) * ((end - start) / bucket);
      names.forEach((name) => this.#bucket(columns[name], rows.map((row) => row[name] ?? null), Math.max(1, Math.round((bucket / 5000) * share)), name));
    }
    return { route, from_ms: from, to_ms: to, bucket_ms: bucket, t, columns };
  }

  #bucket(into, values, count, name) {
    const known = values.filter((value) => value !== null);
    const sum = known.reduce((all, value) => all + value, 0);
    into.count.push(count);
    into.min.push(Math.min(...known));
    into.max.push(Math.max(...known));
    into.mean.push(sum / known.length);
    into.sum.push(name === 'rain' ? sum : (sum / known.length) * count);
    into.first.push(known[0]);
    into.last.push(known[known.length - 1]);
  }

  now() {
    return Math.floor(Date.now() / this.every) * this.every;
  }

  latest() {
    const at = this.now();
    return { now_ms: Date.now(), routes: this.routes.map(({ route }) => ({ route, received_at_ms: at, silent: false, values: this.at(route, at), out_of_bounds: this.outOfBounds ?? [], derived: this.derivedAt(route, at, at - 20000) })) };
  }

  status() {
    const actor = (name, since, restarts = 0, last_exit = null) => ({ actor: name, state: 'running', since: text(since), pulse_age_ms: 120 + name.length * 90, restarts, last_exit, messages_per_second: name === 'mqtt' || name === 'db_writer' ? 0.4 : 0.1 });
    return {
      now: text(Date.now()), health: this.issues.some(({ severity }) => severity === 'critical') ? 'critical' : this.issues.length > 0 ? 'degraded' : 'ok',
      summary: this.issues[0]?.summary ?? `recording; connected since ${text(this.started)} UTC`,
      mode: { mode: this.mode, since: this.mode === 'normal' ? null : text(Date.now() - 95000), cause: this.mode === 'normal' ? null : 'locked' },
      paused_since: this.paused, version: '0.4.0', pid: 4711, started: text(this.started),
      broker: { url: 'mqtt://localhost:1883', client_id: 'barograph-attic', connection: this.connection, since: text(this.connection === 'connected' ? this.started : Date.now() - 42000), why: this.connection === 'connected' ? null : 'connection refused', session_present: true },
      database: { path: '/var/lib/barograph/weather_data.db', bytes: 1204482048, wal_bytes: 4152360, free_bytes: 41204482048, last_commit: text(this.now()), failures_in_a_row: 0, last_failure: null, full_in_seconds: 412 * 86400 },
      spool: { path: '/var/lib/barograph/spool/weather_data.spool', messages: this.account.spooled, bytes: 0, free_bytes: 41204482048 },
      rates: { received_per_second: 0.4, commits_per_second: 0.2, over_seconds: 60 },
      flow: { received: this.account.received, held: this.account.held, batch_rows_mean: 1.2, commit_ms_p50: 3.4, commit_ms_p99: 18.2, waits_in: this.mode === 'normal' ? 'nothing' : 'spool' },
      routes: this.routes.map(({ route, topic }) => ({ route, topic, stored: 6305990, latest: null })),
      actors: [actor('supervisor', this.started), actor('db_writer', this.started), actor('health', this.started), actor('stats', Date.now() - 50 * 60000, 1, 'panicked: index out of bounds'), actor('mqtt', this.started), actor('watchtower', this.started)],
      issues: this.issues, account: this.account,
    };
  }

  /** The disk is locked by somebody: a bad night. */
  trouble() {
    this.mode = 'degraded';
    this.account = { ...this.account, spooled: 312, received: this.account.received + 312 };
    this.issues = [
      { id: 'database-locked', severity: 'critical', since: text(Date.now() - 95000), summary: 'The database is locked by another program (sqlite3, process 911); messages go to the spool.', hint: 'End that program, or wait: the spool has room for 9 days.' },
      { id: 'route-silent-magnetic_flux_data', severity: 'warning', since: text(Date.now() - 700000), summary: 'magnetic_flux_data has been silent for 11 min.', hint: 'Look at the sensor and its cable; the broker is well.' },
    ];
  }
}
