// Clients as browsers have them, each asked to do what it is used for: node browser_clients.mjs URL fetch|events|tus
// Prints one JSON line of what it saw, without anything that differs from run to run; exits 1 when a step fails.
import { createHash } from 'node:crypto';

import { EventSource } from 'eventsource';
import * as tus from 'tus-js-client';

const PATIENCE_MS = 60_000;
const KEPT = ['content-type', 'content-length', 'content-range', 'etag', 'location', 'set-cookie'];

const sha256 = (data) => createHash('sha256').update(data).digest('hex');

/** What a program sees of an answer. */
async function seen(response) {
  const headers = [...response.headers].filter(([name]) => KEPT.includes(name));
  const body = Buffer.from(await response.arrayBuffer());
  return { status: response.status, redirected: response.redirected, headers, size: body.length, sha256: sha256(body) };
}

async function useFetch(url) {
  const ask = (path, options) => fetch(`${url}/fetch/${path}`, options).then(seen);
  const body = Buffer.alloc(3_000_000, 'up');
  const streamed = new ReadableStream({
    async start(controller) {
      for (let part = 0; part < 10; part += 1) {
        controller.enqueue(new TextEncoder().encode(`part ${part} `.repeat(1000)));
        await new Promise((go) => setTimeout(go, 2));
      }
      controller.close();
    },
  });
  const form = new FormData();
  form.append('file', new Blob(['x'.repeat(100_000)]), 'a file.txt');
  const results = {
    get: await ask('echo?a=%20b&c=ä', { headers: { 'x-test-a': '1, 2', 'x-test-b': 'é' } }),
    post: await ask('echo', { method: 'POST', body }),
    streamed: await ask('echo', { method: 'PUT', body: streamed, duplex: 'half' }),
    delete: await ask('echo', { method: 'DELETE' }),
    head: await ask('large', { method: 'HEAD' }),
    range: await ask('range', { headers: { range: 'bytes=100-4099' } }),
    stream: await ask('stream'),
    redirect: await ask('redirect'),
    manual: await ask('redirect', { redirect: 'manual' }),
    empty: await ask('empty'),
    unchanged: await ask('unchanged', { headers: { 'if-none-match': '"one"' } }),
    missing: await ask('missing'),
    large: await ask('large'),
    formed: (await fetch(`${url}/fetch/echo`, { method: 'POST', body: form })).status,
    cut: await ask('cut').then(() => 'whole', () => 'broken'),
  };
  const stop = new AbortController();
  const aborted = await fetch(`${url}/fetch/large`, { signal: stop.signal });
  stop.abort();
  results.aborted = await aborted.arrayBuffer().then(() => 'whole', (error) => error.name);
  results.many = (await Promise.all(Array.from({ length: 50 }, (_, n) => ask(`echo?n=${n}`)))).map((one) => one.sha256);
  return results;
}

function useEvents(url) {
  return new Promise((resolve, reject) => {
    const source = new EventSource(`${url}/events`);
    const events = [];
    let opened = 0;
    source.onopen = () => { opened += 1; };
    source.onerror = (error) => error.code && reject(new Error(`${error.code}: ${error.message}`));
    source.addEventListener('tick', ({ data, lastEventId }) => {
      events.push({ data, lastEventId });
      if (events.length === 10) {
        source.close();
        resolve({ opened, events });
      }
    });
  });
}

/** Upload in chunks, stop in the middle, go on; then read back what arrived. */
async function useTus(url) {
  const body = Buffer.alloc(4_000_000);
  for (let place = 0; place < body.length; place += 4) body.writeUInt32LE(place, place);
  let stopped = false;
  let upload;
  await new Promise((resolve, reject) => {
    upload = new tus.Upload(body, {
      endpoint: `${url}/files`,
      chunkSize: 100_000,
      retryDelays: [0, 20, 100],
      metadata: { filename: 'änderung.bin' },
      onError: reject,
      onSuccess: resolve,
      async onProgress(sent) {
        if (stopped || sent < body.length / 2) return;
        stopped = true;
        await upload.abort();
        setTimeout(() => upload.start(), 50);
      },
    });
    upload.start();
  });
  const back = await fetch(upload.url.replace(/^.*\/files/, `${url}/files`));
  const whole = Buffer.from(await back.arrayBuffer());
  return { stopped, status: back.status, same: sha256(whole) === sha256(body), at: new URL(upload.url).origin === url };
}

const [url, what] = process.argv.slice(2);
const uses = { fetch: useFetch, events: useEvents, tus: useTus };
if (!url || !uses[what]) {
  console.error('usage: node browser_clients.mjs URL fetch|events|tus');
  process.exit(2);
}
setTimeout(() => {
  console.error(`${what} was not done after ${PATIENCE_MS / 1000} s`);
  process.exit(1);
}, PATIENCE_MS);

try {
  console.log(JSON.stringify(await uses[what](url)));
  process.exit(0);
} catch (error) {
  console.error(error.message, error.cause ?? '');
  process.exit(1);
}
