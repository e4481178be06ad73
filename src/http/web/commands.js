// @ts-check
// Commands to the recorder. The line for them is opened when the first is given; each has its answer.

let number = 0;

/**
 * @param {string} command
 * @param {Record<string, unknown>} [more]
 * @returns {Promise<{ ok?: Record<string, unknown>, error?: { message: string, hint: string } }>}
 */
export function order(command, more = {}) {
  number += 1;
  const id = number;
  const url = new URL('ws/command', document.baseURI);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.hash = '';
  return new Promise((resolve) => {
    const socket = new WebSocket(url);
    const end = (/** @type {{ ok?: Record<string, unknown>, error?: { message: string, hint: string } }} */ answer) => {
      clearTimeout(timer);
      socket.onclose = null;
      socket.close(1000);
      resolve(answer);
    };
    const timer = setTimeout(() => end({ error: { message: 'The recorder has not answered for 30 s.', hint: 'It may still do what it was asked. The log will tell.' } }), 30000);
    socket.onopen = () => socket.send(JSON.stringify({ id, command, ...more }));
    socket.onmessage = (message) => {
      const answer = JSON.parse(String(message.data));
      if (answer.id === id) end(answer);
    };
    socket.onclose = (event) => end({ error: { message: `The command was not answered: closed with ${event.code}${event.reason ? `, “${event.reason}”` : ''}.`, hint: 'Sign in again, or look at the log.' } });
  });
}
