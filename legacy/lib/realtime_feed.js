// Hears of inserted rows from PostgreSQL, whoever inserted them, and comes back after a lost connection.
import { EventEmitter } from 'node:events';

import pg from 'pg';

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5000;

/** Emits `listening` whenever notifications flow (again), and `insert` with each notification. */
export class InsertFeed extends EventEmitter {
  #databaseUrl;
  #delay = FIRST_DELAY_MS;
  listening = false;

  constructor(databaseUrl) {
    super();
    this.#databaseUrl = databaseUrl;
  }

  async start() {
    const client = new pg.Client({ connectionString: this.#databaseUrl, keepAlive: true });
    client.on('error', () => {}); // 'end' follows, and says all there is to do
    client.on('notification', ({ payload }) => this.emit('insert', JSON.parse(payload)));
    try {
      await client.connect();
      await client.query('LISTEN realtime');
    } catch {
      client.end().catch(() => {});
      this.#startLater();
      return;
    }
    client.once('end', () => this.#startLater());
    this.#delay = FIRST_DELAY_MS;
    this.listening = true;
    this.emit('listening');
  }

  #startLater() {
    this.listening = false;
    setTimeout(() => this.start(), this.#delay);
    this.#delay = Math.min(this.#delay * 2, LONGEST_DELAY_MS);
  }
}
