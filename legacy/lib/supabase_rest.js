// PostgREST for the one table the browser uses directly. PostgreSQL itself writes the JSON, so that
// numerics are numbers and timestamps keep their microseconds, unlike on the Express routes.
import { Router, text } from 'express';
import pg from 'pg';

import { asCaller } from './database.js';
import { filters, ordering, range, selection, UnreadableQuery } from './postgrest_query.js';
import { bearerOf } from './tokens.js';

const SINGLE = 'application/vnd.pgrst.object+json';
const PARSE_ERROR = 'PGRST100';
const BAD_BODY = 'PGRST102';
const NOT_ONE_ROW = 'PGRST116';
const BAD_METHOD = 'PGRST117';
const UNKNOWN_COLUMN = 'PGRST204';
const UNKNOWN_TABLE = 'PGRST205';
const BAD_TOKEN = 'PGRST301';
const EXPIRED_TOKEN = 'PGRST303';
const NO_DATABASE = 'PGRST000';

class Refusal extends Error {
  constructor(status, code, message, details = null) {
    super(message);
    Object.assign(this, { status, code, details });
  }
}

/** PostgREST's table from an SQLSTATE to a status, https://docs.postgrest.org/en/stable/references/errors.html */
function statusOf(sqlstate, role) {
  if (sqlstate === '42501') return role === 'anon' ? 401 : 403;
  if (sqlstate === '23503' || sqlstate === '23505') return 409;
  if (sqlstate === '42P01') return 404;
  if (/^(08|53|57)/.test(sqlstate)) return 503;
  if (/^(40|55|58|XX)/.test(sqlstate)) return 500;
  return 400;
}

function refusalOf(error, role) {
  if (error instanceof Refusal) return error;
  if (error instanceof UnreadableQuery) return new Refusal(400, PARSE_ERROR, error.message);
  if (error instanceof pg.DatabaseError) {
    const refusal = new Refusal(statusOf(error.code, role), error.code, error.message, error.detail ?? null);
    return Object.assign(refusal, { hint: error.hint });
  }
  return new Refusal(503, NO_DATABASE, 'Database connection error. Retrying the connection.', error.message);
}

function parsedRows(body) {
  try {
    const rows = [JSON.parse(body)].flat();
    if (rows.every((row) => row !== null && typeof row === 'object')) return rows;
  } catch {
    // said below, together with JSON that holds no rows
  }
  throw new Refusal(400, BAD_BODY, 'Empty or invalid json');
}

async function knownColumns(client) {
  const { rows } = await client.query(
    `SELECT attname FROM pg_attribute
      WHERE attrelid = 'public.lots'::regclass AND attnum > 0 AND NOT attisdropped`,
  );
  return new Set(rows.map((row) => row.attname));
}

async function read(client, query) {
  const { where, values } = filters(query);
  const result = await client.query(
    `SELECT count(*)::int AS count, coalesce(json_agg(answer), '[]')::text AS body FROM (
       SELECT ${selection(query)} FROM public.lots ${where} ${ordering(query)} ${range(query)}
     ) AS answer`,
    values,
  );
  return result.rows[0];
}

async function insert(client, query, body) {
  const names = [...new Set(parsedRows(body).flatMap(Object.keys))];
  const known = await knownColumns(client);
  const unknown = names.find((name) => !known.has(name));
  if (unknown !== undefined) {
    throw new Refusal(
      400, UNKNOWN_COLUMN, `Could not find the '${unknown}' column of 'lots' in the schema cache`,
    );
  }
  const columns = names.map((name) => pg.escapeIdentifier(name)).join(', ');
  const rows = body.trimStart().startsWith('[') ? body : `[${body}]`;
  const result = await client.query(
    `WITH lots AS (
       INSERT INTO public.lots (${columns})
       SELECT ${columns} FROM json_populate_recordset(null::public.lots, $1::json) RETURNING *
     )
     SELECT count(*)::int AS count, coalesce(json_agg(answer), '[]')::text AS body
       FROM (SELECT ${selection(query)} FROM lots) AS answer`,
    [rows],
  );
  return result.rows[0];
}

/** Thrown inside the transaction, so that an insert of two rows asked for as one leaves nothing. */
function refuseUnlessSingle(req, { count }) {
  if (req.get('accept') === SINGLE && count !== 1) {
    throw new Refusal(
      406, NOT_ONE_ROW, 'Cannot coerce the result to a single JSON object', `The result contains ${count} rows`,
    );
  }
}

function sendRows(req, res, { count, body }) {
  const single = req.get('accept') === SINGLE;
  res.set('Content-Range', count ? `0-${count - 1}/*` : '*/*');
  res.set('Content-Type', `${single ? SINGLE : 'application/json'}; charset=utf-8`);
  res.send(single ? body.slice(1, -1) : body);
}

export function restRoutes({ pool, tokens }) {
  function claimsOf(req) {
    const token = bearerOf(req);
    if (token === null) return { role: 'anon' };
    try {
      return tokens.caller(token);
    } catch (error) {
      if (error.name === 'TokenExpiredError') throw new Refusal(401, EXPIRED_TOKEN, 'JWT expired');
      throw new Refusal(401, BAD_TOKEN, error.message);
    }
  }

  function answering(handler) {
    return async (req, res) => {
      let claims;
      try {
        claims = claimsOf(req);
        await handler(req, res, claims);
      } catch (error) {
        const { status, code, details, hint = null, message } = refusalOf(error, claims?.role);
        res.status(status).json({ code, details, hint, message });
      }
    };
  }

  const router = Router();

  router.get('/lots', answering(async (req, res, claims) => {
    const answer = await asCaller(pool, claims, (client) => read(client, req.query));
    refuseUnlessSingle(req, answer);
    sendRows(req, res, answer);
  }));

  router.post('/lots', text({ type: () => true, limit: '10mb' }), answering(async (req, res, claims) => {
    const answer = await asCaller(pool, claims, async (client) => {
      const inserted = await insert(client, req.query, String(req.body));
      refuseUnlessSingle(req, inserted);
      return inserted;
    });
    res.status(201);
    if (!/return=representation/.test(req.get('prefer'))) return res.end();
    res.set('Preference-Applied', 'return=representation');
    return sendRows(req, res, answer);
  }));

  router.all('/lots', answering(async (req) => {
    throw new Refusal(405, BAD_METHOD, `Unsupported HTTP method: ${req.method}`);
  }));

  router.all('/:table', answering(async (req) => {
    throw new Refusal(
      404, UNKNOWN_TABLE, `Could not find the table 'public.${req.params.table}' in the schema cache`,
    );
  }));

  return router;
}
