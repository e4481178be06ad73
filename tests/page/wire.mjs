// A WebSocket server in a hundred lines: enough to speak to a page, and to close in every way there is.

import { createHash } from 'node:crypto';

const MAGIC = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

export class Wire {
  /** @param {import('node:http').IncomingMessage} request @param {import('node:net').Socket} socket */
  constructor(request, socket) {
    this.socket = socket;
    this.buffer = Buffer.alloc(0);
    this.onText = (_text) => {};
    this.onEnd = () => {};
    const accept = createHash('sha1').update(request.headers['sec-websocket-key'] + MAGIC).digest('base64');
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    socket.on('data', (data) => this.#read(data));
    socket.on('error', () => {});
    socket.on('close', () => this.onEnd());
  }

  /** @param {string} text */
  send(text) {
    this.#frame(1, Buffer.from(text));
  }

  /** @param {number} code @param {string} reason */
  close(code, reason) {
    const body = Buffer.alloc(2 + Buffer.byteLength(reason));
    body.writeUInt16BE(code);
    body.write(reason, 2);
    this.#frame(8, body);
    this.socket.end();
  }

  /** As kill -9 does it. */
  destroy() {
    this.socket.resetAndDestroy();
  }

  /** @param {number} opcode @param {Buffer} body */
  #frame(opcode, body) {
    if (this.socket.destroyed) return;
    const long = body.length > 65535 ? 10 : body.length > 125 ? 4 : 2;
    const head = Buffer.alloc(long);
    head[0] = 0x80 | opcode;
    if (long === 2) head[1] = body.length;
    else if (long === 4) {
      head[1] = 126;
      head.writeUInt16BE(body.length, 2);
    } else {
      head[1] = 127;
      head.writeBigUInt64BE(BigInt(body.length), 2);
    }
    this.socket.write(Buffer.concat([head, body]));
  }

  /** @param {Buffer} data */
  #read(data) {
    this.buffer = Buffer.concat([this.buffer, data]);
    for (;;) {
      const { buffer } = this;
      if (buffer.length < 6) return;
      const short = buffer[1] & 127;
      const head = short === 126 ? 8 : 6;
      const length = short === 126 ? buffer.readUInt16BE(2) : short;
      if (buffer.length < head + length) return;
      const mask = buffer.subarray(head - 4, head);
      const body = Buffer.from(buffer.subarray(head, head + length));
      for (let i = 0; i < body.length; i += 1) body[i] ^= mask[i % 4];
      this.buffer = buffer.subarray(head + length);
      const opcode = buffer[0] & 15;
      if (opcode === 1) this.onText(body.toString());
      if (opcode === 8) this.socket.end();
    }
  }
}
