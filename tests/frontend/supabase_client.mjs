// What the browser does with Supabase, done by the client the browser uses:
//   node supabase_client.mjs URL ANON_KEY
// signs in, reads the user, selects lots, subscribes to new lots, inserts one and waits until the
// change arrives. Prints one JSON line of what it saw; exits 1 with a sentence when a step fails.
import { randomUUID } from 'node:crypto';

import { createClient } from '@supabase/supabase-js';
import WebSocket from 'ws';

const PATIENCE_MS = 20_000;

/** Supabase's answers carry their error as a value. */
function dataOf(step, { data, error }) {
  if (error) throw new Error(`${step} failed: ${error.code ?? error.name}: ${error.message}`);
  return data;
}

/** Resolves once changes are sure to arrive: the channel is joined and PostgreSQL is listened to. */
function subscribed(channel) {
  return new Promise((resolve, reject) => {
    let joined = false;
    let listening = false;
    const settle = () => joined && listening && resolve();
    channel.on('system', {}, ({ extension, status, message }) => {
      if (status !== 'ok') reject(new Error(`subscribing failed: ${message}`));
      listening ||= extension === 'postgres_changes';
      settle();
    });
    channel.subscribe((status, error) => {
      if (status === 'SUBSCRIBED') joined = true;
      else if (!joined) reject(new Error(`subscribing failed: ${status} ${error?.message ?? ''}`));
      settle();
    });
  });
}

async function run(url, anonKey) {
  const supabase = createClient(url, anonKey, {
    auth: { persistSession: false, autoRefreshToken: false },
    realtime: { transport: WebSocket }, // Node 20 has no WebSocket of its own
  });
  const credentials = { email: 'operator@flowviz.com', password: 'flowviz' };
  const { session } = dataOf('signing in', await supabase.auth.signInWithPassword(credentials));
  const { user } = dataOf('reading the user', await supabase.auth.getUser());
  const selected = dataOf(
    'selecting lots',
    await supabase.from('lots').select('lot_code, weight_kg, created_at').eq('lot_code', 'MIX-BATCH-88'),
  );

  const lotCode = `SDK-${randomUUID()}`;
  const channel = supabase.channel('lots-feed');
  const arrival = new Promise((resolve) => {
    const wish = { event: 'INSERT', schema: 'public', table: 'lots', filter: `lot_code=eq.${lotCode}` };
    channel.on('postgres_changes', wish, resolve);
  });
  await subscribed(channel);
  const lot = { lot_code: lotCode, lot_type: 'BULK', weight_kg: 12.5, operator_id: user.id };
  const inserted = dataOf('inserting a lot', await supabase.from('lots').insert(lot).select().single());
  const change = await arrival;

  await supabase.removeAllChannels();
  dataOf('signing out', await supabase.auth.signOut());
  return { user: { id: user.id, email: user.email }, tokenType: session.token_type, selected, inserted, change };
}

const [url, anonKey] = process.argv.slice(2);
if (!url || !anonKey) {
  console.error('usage: node supabase_client.mjs URL ANON_KEY');
  process.exit(2);
}
setTimeout(() => {
  console.error(`the Supabase client was not done after ${PATIENCE_MS / 1000} s`);
  process.exit(1);
}, PATIENCE_MS).unref();

try {
  console.log(JSON.stringify(await run(url, anonKey)));
  process.exit(0);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
