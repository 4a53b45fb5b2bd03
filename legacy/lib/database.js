// Every way into PostgreSQL. Express uses the pool as the owner of the tables; Supabase's part asks
// as the caller, so that row level security applies.
import pg from 'pg';

const quoted = pg.escapeIdentifier;

/** Opens a pool that survives PostgreSQL being killed and started again. */
export function openPool(databaseUrl) {
  // a Supabase database runs in UTC, an embedded one in the zone of the machine
  const pool = new pg.Pool({ connectionString: databaseUrl, options: '-c TimeZone=UTC' });
  pool.on('error', (error) => console.error(`a database connection was lost: ${error.message}`));
  // A connection that breaks while it is checked out emits 'error' too, and an error event nobody
  // listens to ends the process; its query fails on its own.
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

/** Inserts whatever columns the caller named and returns the whole row. */
export async function insertRow(pool, table, values) {
  const columns = Object.keys(values);
  const names = columns.map(quoted).join(', ');
  const places = columns.map((_, index) => `$${index + 1}`).join(', ');
  const result = await pool.query(
    `INSERT INTO ${quoted(table)} (${names}) VALUES (${places}) RETURNING *`,
    Object.values(values),
  );
  return result.rows[0];
}

/** Runs `work(client)` in one transaction with the role and the claims of the caller's token. */
export async function asCaller(pool, claims, work) {
  const client = await pool.connect();
  let broken;
  try {
    await client.query('BEGIN');
    await client.query(
      "SELECT set_config('role', $1, true), set_config('request.jwt.claims', $2, true)",
      [claims.role, JSON.stringify(claims)],
    );
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch((failure) => {
      broken = failure;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}
