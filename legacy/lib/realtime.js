// Supabase Realtime's socket: who joined which topic, and which inserted row goes to whom.
import { WebSocketServer } from 'ws';

import { apiKeyRefusal } from './apikey.js';
import { asCaller } from './database.js';
import { decode, encode, VERSIONS } from './phoenix.js';
import { matches, subscriptionsOf, UnreadableWish } from './realtime_subscriptions.js';

const PATH = '/realtime/v1/websocket';
const NO_SOCKET = { message: 'no socket lives here' };
const GOING_AWAY = 1001;
const UNREADABLE_MESSAGE = 1007;

const ROW = `SELECT row_to_json(lots)::text AS record,
    (SELECT json_agg(json_build_object('name', attname, 'type', typname) ORDER BY attnum)
       FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
      WHERE attrelid = 'public.lots'::regclass AND attnum > 0 AND NOT attisdropped) AS columns
  FROM public.lots WHERE id = $1`;

function refuseUpgrade(socket, status, body) {
  const text = JSON.stringify(body);
  socket.on('error', () => {}); // the client may be gone already
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`,
  );
}

/** One browser's socket and the topics it has joined. */
class Connection {
  #socket;
  #version;
  #feed;
  #tokens;
  #apikey;
  #channels = new Map();

  constructor(socket, { version, feed, tokens, apikey }) {
    this.#socket = socket;
    this.#version = version;
    this.#feed = feed;
    this.#tokens = tokens;
    this.#apikey = apikey;
    socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    socket.on('error', () => {}); // 'close' follows
  }

  #receive(data, isBinary) {
    if (isBinary) return; // broadcasts come as binary frames; nobody here listens to them
    let message;
    try {
      message = decode(this.#version, data.toString());
    } catch {
      this.#socket.close(UNREADABLE_MESSAGE);
      return;
    }
    this.#handle(message);
  }

  #handle(message) {
    const channel = this.#channels.get(message.topic);
    if (message.event === 'heartbeat') this.#reply(message, 'ok', {});
    else if (message.event === 'phx_join') this.#join(message);
    else if (!channel) this.#reply(message, 'error', { reason: 'unmatched topic' });
    else if (message.event === 'phx_leave') this.#leave(message, channel);
    else if (message.event === 'access_token') this.#renew(message, channel);
  }

  #join(message) {
    const { topic, payload } = message;
    const before = this.#channels.get(topic);
    if (before) this.#close(topic, before);
    let subscriptions;
    try {
      this.#tokens.caller(payload.access_token ?? this.#apikey);
      subscriptions = subscriptionsOf(payload.config?.postgres_changes ?? []);
    } catch (error) {
      const reason = error instanceof UnreadableWish ? error.message : `InvalidJWTToken: ${error.message}`;
      this.#reply(message, 'error', { reason });
      return;
    }
    const channel = { joinRef: message.joinRef ?? message.ref, subscriptions };
    this.#channels.set(topic, channel);
    this.#reply(message, 'ok', { postgres_changes: subscriptions });
    this.#push(topic, channel, 'presence_state', '{}');
    if (this.#feed.listening) this.#announce(topic, channel);
  }

  #leave(message, channel) {
    this.#reply(message, 'ok', {});
    this.#close(message.topic, channel);
  }

  #renew({ topic, payload }, channel) {
    try {
      this.#tokens.caller(payload.access_token);
    } catch (error) {
      this.#system(topic, channel, 'system', 'error', `InvalidJWTToken: ${error.message}`);
      this.#close(topic, channel);
    }
  }

  #close(topic, channel) {
    this.#channels.delete(topic);
    this.#send({ joinRef: channel.joinRef, ref: channel.joinRef, topic, event: 'phx_close', payloadText: '{}' });
  }

  /** From this message on the browser may rely on seeing every change. */
  #announce(topic, channel) {
    if (channel.subscriptions.length === 0) return;
    this.#system(topic, channel, 'postgres_changes', 'ok', 'Subscribed to PostgreSQL');
  }

  announceAll() {
    for (const [topic, channel] of this.#channels) this.#announce(topic, channel);
  }

  deliver(change) {
    for (const [topic, channel] of this.#channels) {
      const ids = channel.subscriptions.filter((one) => matches(one, change)).map((one) => one.id);
      if (ids.length === 0) continue;
      this.#push(topic, channel, 'postgres_changes', `{"ids":${JSON.stringify(ids)},"data":${change.text}}`);
    }
  }

  #system(topic, channel, extension, status, message) {
    const payload = { message, status, extension, channel: topic.replace(/^realtime:/, '') };
    this.#push(topic, channel, 'system', JSON.stringify(payload));
  }

  #reply({ joinRef, ref, topic }, status, response) {
    this.#send({ joinRef, ref, topic, event: 'phx_reply', payloadText: JSON.stringify({ status, response }) });
  }

  #push(topic, { joinRef }, event, payloadText) {
    this.#send({ joinRef, topic, event, payloadText });
  }

  #send(message) {
    this.#socket.send(encode(this.#version, message));
  }
}

/** Reads the inserted row as `anon`: were lots no longer everybody's to read, nothing would leak. */
async function changeOf(pool, { schema, table, id, commit_timestamp: committed }) {
  const { rows } = await asCaller(pool, { role: 'anon' }, (client) => client.query(ROW, [id]));
  if (rows.length === 0) return null;
  const [{ record, columns }] = rows;
  const head = { schema, table, commit_timestamp: new Date(committed).toISOString(), type: 'INSERT', columns };
  const text = `${JSON.stringify(head).slice(0, -1)},"record":${record},"errors":null}`;
  return { schema, table, type: 'INSERT', record: JSON.parse(record), text };
}

export function attachRealtime(server, { pool, tokens, feed }) {
  const sockets = new WebSocketServer({ noServer: true });
  const connections = new Set();

  server.on('upgrade', (request, socket, head) => {
    if (!URL.canParse(request.url, 'http://legacy')) return refuseUpgrade(socket, '400 Bad Request', NO_SOCKET);
    const { pathname, searchParams } = new URL(request.url, 'http://legacy');
    if (pathname !== PATH) return refuseUpgrade(socket, '404 Not Found', NO_SOCKET);
    const version = searchParams.get('vsn') ?? '1.0.0';
    const apikey = searchParams.get('apikey') ?? request.headers.apikey;
    const refusal = apiKeyRefusal(tokens, apikey);
    if (refusal) return refuseUpgrade(socket, '401 Unauthorized', refusal);
    if (!VERSIONS.has(version)) return refuseUpgrade(socket, '400 Bad Request', { message: 'unknown vsn' });
    return sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const connection = new Connection(webSocket, { version, feed, tokens, apikey });
      connections.add(connection);
      webSocket.on('close', () => connections.delete(connection));
    });
  });

  // one after the other: rows are delivered in the order PostgreSQL committed them
  let delivered = Promise.resolve();
  async function deliver(notification) {
    if (connections.size === 0) return;
    const change = await changeOf(pool, notification);
    if (change) for (const connection of connections) connection.deliver(change);
  }
  feed.on('insert', (notification) => {
    delivered = delivered
      .then(() => deliver(notification))
      .catch((error) => console.error(`an inserted lot was not announced: ${error.message}`));
  });
  feed.on('listening', () => {
    for (const connection of connections) connection.announceAll();
  });

  return {
    goAway() {
      for (const socket of sockets.clients) socket.close(GOING_AWAY);
    },
  };
}
