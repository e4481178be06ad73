// A server that keeps the contract of src/http/API.md with a simulated year, sends the real Content
// Security Policy, and misbehaves when told to. By hand: node tests/page/mock.mjs 8123

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, normalize } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Recorder, text } from './recorder.mjs';
import { Wire } from './wire.mjs';

const PAGE = new URL('../../src/http/web/', import.meta.url).pathname;
export const POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml' };

export class Mock {
  /** @param {{ every?: number, days?: number }} [how] */
  constructor(how = {}) {
    this.recorder = new Recorder(how);
    this.every = how.every ?? 1000;
    this.session = { admin: true, signed_in: false, anonymous_read: true, commands: true, fault_injection: true };
    /** @type {Set<{ wire: Wire, seq: number }>} */
    this.viewers = new Set();
    this.commands = [];
    this.requests = [];
    this.silent = false;
    this.refuse = null;
    this.port = 0;
  }

  /** @param {number} [port] */
  async listen(port = this.port) {
    this.server = createServer((request, response) => this.#serve(request, response).catch((error) => {
      response.writeHead(500).end(JSON.stringify({ error: { message: String(error), hint: '' } }));
    }));
    this.server.on('upgrade', (request, socket) => this.#upgrade(request, socket));
    await new Promise((resolve, reject) => this.server.once('error', reject).listen(port, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    this.timer = setInterval(() => this.#rows(), this.every);
    this.alive = setInterval(() => this.broadcast({ type: 'alive', now_ms: Date.now() }), 5000);
    return `http://127.0.0.1:${this.port}/`;
  }

  /** kill -9: everything breaks off. */
  async kill() {
    clearInterval(this.timer);
    clearInterval(this.alive);
    for (const { wire } of this.viewers) wire.destroy();
    this.viewers.clear();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  closeAll(code, reason) {
    for (const { wire } of this.viewers) wire.close(code, reason);
    this.viewers.clear();
  }

  broadcast(frame) {
    if (this.silent) return;
    for (const viewer of this.viewers) this.#say(viewer, frame);
  }

  /** Loses one number. */
  skip() {
    for (const viewer of this.viewers) viewer.seq += 1;
  }

  status() {
    this.broadcast({ type: 'status', status: this.recorder.status() });
  }

  #say(viewer, frame) {
    viewer.wire.send(JSON.stringify({ seq: viewer.seq, ...frame }));
    viewer.seq += 1;
  }

  #rows() {
    const at = this.recorder.now();
    const rows = this.recorder.routes.map(({ route, columns }) => {
      const values = this.recorder.at(route, at);
      return { route, rows: [[at, columns.map(({ name }) => values[name] ?? null)]], skipped: 0, derived: this.recorder.derivedAt(route, at, at - 20000) };
    });
    this.recorder.account.received += 2;
    this.recorder.account.stored += 2;
    this.broadcast({ type: 'rows', routes: rows });
  }

  #upgrade(request, socket) {
    const wire = new Wire(request, socket);
    if (this.refuse) return wire.close(this.refuse.code, this.refuse.reason);
    const viewer = { wire, seq: 0 };
    this.viewers.add(viewer);
    wire.onEnd = () => this.viewers.delete(viewer);
    if (!this.silent) this.#say(viewer, { type: 'snapshot', status: this.recorder.status(), latest: this.recorder.latest() });
    return undefined;
  }

  async #command(command, request, response, headers) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    this.commands.push({ command, ...JSON.parse(Buffer.concat(chunks).toString()) });
    if (command === 'pause') this.recorder.paused = text(Date.now());
    if (command === 'resume') this.recorder.paused = null;
    const refused = { error: { message: 'The WAL is held back by a reader.', hint: 'sqlite3, process 911: end it.' } };
    const [status, body] = command === 'checkpoint' ? [409, refused] : [200, {}];
    response.writeHead(status, { ...headers, 'Content-Type': 'application/json' }).end(JSON.stringify(body));
    this.status();
  }

  async #serve(request, response) {
    const url = new URL(request.url, 'http://mock');
    this.requests.push(url.pathname + url.search);
    const headers = { 'Content-Security-Policy': POLICY, 'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'no-referrer', 'Cache-Control': 'no-cache' };
    if (url.pathname.startsWith('/api/v1/commands/')) return this.#command(url.pathname.slice(17), request, response, headers);
    if (url.pathname.startsWith('/api/v1/')) return this.#answer(url, request, response, headers);
    const path = normalize(url.pathname === '/' ? '/index.html' : url.pathname).slice(1);
    const type = TYPES[extname(path)];
    const body = type && !path.startsWith('..') ? await readFile(PAGE + path).catch(() => null) : null;
    if (!body) return response.writeHead(404, headers).end('Not here.');
    return response.writeHead(200, { ...headers, 'Content-Type': type, 'Content-Encoding': 'gzip' }).end(gzipSync(body));
  }

  #answer(url, request, response, headers) {
    const query = Object.fromEntries(url.searchParams);
    const [from, to] = [Number(query.from), Number(query.to)];
    const send = (body, status = 200) => response.writeHead(status, { ...headers, 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' }).end(gzipSync(JSON.stringify(body)));
    const { recorder } = this;
    const overlaps = (gap) => Date.parse(`${gap.from.replace(' ', 'T')}Z`) < to && (!gap.to || Date.parse(`${gap.to.replace(' ', 'T')}Z`) > from);
    switch (url.pathname.slice(8)) {
      case 'status': return send(recorder.status());
      case 'routes': return send({ routes: recorder.routes });
      case 'latest': return send(recorder.latest());
      case 'session': return send(this.session);
      case 'login': this.session = { ...this.session, admin: true, signed_in: true }; return send({});
      case 'logout': this.session = { ...this.session, admin: false, signed_in: false }; return send({});
      case 'issues': return send({ issues: recorder.issues });
      case 'gaps': return send({ gaps: recorder.gaps.filter(overlaps) });
      case 'events': return send({ events: this.#events(query) });
      case 'series': {
        const bucket = query.bucket_ms ? Number(query.bucket_ms) : niceBucket((to - from) / Number(query.points ?? 500));
        return send(recorder.series(query.route, query.columns.split(','), from, to, bucket));
      }
      case 'rows': return response.writeHead(200, { ...headers, 'Content-Type': 'text/csv' }).end('created_at,temperature\r\n');
      default: return send({ error: { message: `There is no ${request.method} ${url.pathname}.`, hint: '' } }, 404);
    }
  }

  #events({ limit = 100, before, since, until, actor, event, except = '' }) {
    return this.recorder.events
      .filter((one) => (!before || one.id < Number(before)) && (!since || Date.parse(`${one.at.replace(' ', 'T')}Z`) >= Number(since)) && (!until || Date.parse(`${one.at.replace(' ', 'T')}Z`) <= Number(until)) && !except.split(',').includes(one.event) && (!actor || one.actor === actor) && (!event || one.event === event))
      .sort((a, b) => b.id - a.id).slice(0, Number(limit));
  }
}

function niceBucket(least) {
  const steps = [1000, 5000, 10000, 30000, 60000, 300000, 900000, 3600000, 10800000, 21600000, 86400000];
  return steps.find((step) => step >= least) ?? 86400000;
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const mock = new Mock({ every: 1000 });
  if (process.argv.includes('--trouble')) mock.recorder.trouble();
  console.log(await mock.listen(Number(process.argv[2] ?? 8123)));
}
