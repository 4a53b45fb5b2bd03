// What the clients of browser_clients.mjs talk to: node origin.mjs FOLDER. Prints its URL.
//   /files/...   tus uploads, kept in FOLDER; two origins with one folder see each other's uploads
//   /events      ten numbered events, three to a connection: the client comes back with Last-Event-ID
//   /fetch/...   answers of every kind that fetch knows
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';

import { FileStore } from '@tus/file-store';
import { Server } from '@tus/server';

const EVENTS = 10;
const BODY = Buffer.from('0123456789abcdef'.repeat(8192));
const tus = new Server({ path: '/files', datastore: new FileStore({ directory: process.argv[2] }) });

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function events(request, response) {
  const first = Number(request.headers['last-event-id'] ?? 0) + 1;
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  for (let id = first; id < first + 3 && id <= EVENTS; id += 1) {
    response.write(`${id === 1 ? 'retry: 20\n' : ''}event: tick\nid: ${id}\ndata: ${id}\ndata: of ${EVENTS}\n\n`);
    await pause(5);
  }
  if (first + 3 <= EVENTS) response.end();
}

async function bodyOf(request) {
  const digest = createHash('sha256');
  let size = 0;
  for await (const part of request) {
    digest.update(part);
    size += part.length;
  }
  return { size, digest: digest.digest('hex') };
}

const ANSWERS = {
  async echo(request, response) {
    const { method, url, headers } = request;
    const kept = Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('x-test')));
    response.setHeader('set-cookie', ['a=1; Path=/', 'b=2; Secure']);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ method, url, headers: kept, body: await bodyOf(request) }));
  },
  async range(request, response) {
    const [, from, to] = /bytes=(\d+)-(\d+)/.exec(request.headers.range) ?? [];
    response.writeHead(206, { 'content-range': `bytes ${from}-${to}/${BODY.length}`, etag: '"one"' });
    response.end(BODY.subarray(Number(from), Number(to) + 1));
  },
  async stream(request, response) {
    for (let line = 0; line < 20; line += 1) {
      response.write(`line ${line}\n`);
      await pause(2);
    }
    response.end();
  },
  async cut(request, response) {
    response.writeHead(200, { 'content-length': BODY.length });
    response.write(BODY.subarray(0, 1000));
    await pause(20);
    response.destroy();
  },
  async redirect(request, response) {
    response.writeHead(302, { location: '/fetch/echo?redirected=1' }).end();
  },
  async empty(request, response) {
    response.writeHead(204).end();
  },
  async unchanged(request, response) {
    response.writeHead(request.headers['if-none-match'] === '"one"' ? 304 : 200, { etag: '"one"' }).end();
  },
  async missing(request, response) {
    response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('nicht gefunden: ä');
  },
  async large(request, response) {
    response.writeHead(200, { 'content-length': BODY.length * 64 });
    for (let part = 0; part < 64; part += 1) if (!response.write(BODY)) await new Promise((go) => response.once('drain', go));
    response.end();
  },
};

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://origin.test');
  const answer = ANSWERS[pathname.split('/')[2]];
  if (pathname.startsWith('/files')) tus.handle(request, response);
  else if (pathname === '/events') events(request, response);
  else if (answer) answer(request, response);
  else response.writeHead(404).end();
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
