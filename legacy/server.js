// Starts the legacy stand-in: the Express API and the part of Supabase the browser uses, on one port.
import { createServer } from 'node:http';

import { createApp } from './lib/app.js';
import { openPool } from './lib/database.js';
import { attachRealtime } from './lib/realtime.js';
import { InsertFeed } from './lib/realtime_feed.js';
import { readSettings, SettingError } from './lib/settings.js';
import { createTokens } from './lib/tokens.js';

function refuseToStart(sentence) {
  console.error(sentence);
  process.exit(2);
}

function settingsOrExit() {
  try {
    return readSettings(process.env);
  } catch (error) {
    if (error instanceof SettingError) return refuseToStart(error.message);
    throw error;
  }
}

const settings = settingsOrExit();
const pool = openPool(settings.databaseUrl);
const tokens = createTokens(settings.jwtSecret);
const feed = new InsertFeed(settings.databaseUrl);
const server = createServer(createApp({ pool, tokens }));
const realtime = attachRealtime(server, { pool, tokens, feed });

server.on('error', (error) => {
  const reason = error.code === 'EADDRINUSE' ? 'the port is in use' : error.message;
  refuseToStart(`legacy cannot listen on ${settings.host}:${settings.port}: ${reason}`);
});

server.listen(settings.port, settings.host, () => {
  feed.start();
  console.log(`legacy listening on http://${settings.host}:${server.address().port}`);
});

function stop() {
  realtime.goAway();
  server.closeAllConnections();
  process.exit(0);
}

process.on('SIGTERM', stop);
process.on('SIGINT', stop);
