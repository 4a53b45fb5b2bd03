// The Express routes that are being replaced. Nothing is validated here: the database says no, and
// its words reach the client. That is how the original behaves, so it stays.
import { Router } from 'express';

import { insertRow } from './database.js';
import { bearerOf } from './tokens.js';

const PARENTS = `SELECT l.* FROM lots l JOIN lot_genealogy g ON g.parent_lot_id = l.id
                  WHERE g.child_lot_id = $1 ORDER BY g.linked_at`;
const CHILDREN = `SELECT l.* FROM lots l JOIN lot_genealogy g ON g.child_lot_id = l.id
                   WHERE g.parent_lot_id = $1 ORDER BY g.linked_at`;

/** Express 4 does not see a rejected promise: without this the client would wait for ever. */
function answering(handler) {
  return (req, res) => {
    handler(req, res).catch((error) => res.status(500).json({ error: error.message }));
  };
}

/** Anonymous callers pass; a token that is shown must be a good one. */
function refuseBadTokens(tokens) {
  return (req, res, next) => {
    const token = bearerOf(req);
    if (token === null) return next();
    try {
      tokens.person(token);
    } catch {
      return res.status(401).json({ error: 'Invalid token' });
    }
    return next();
  };
}

export function apiRoutes({ pool, tokens }) {
  const router = Router();
  router.use('/api', refuseBadTokens(tokens));

  router.get('/api/health', (req, res) => {
    res.json({ status: 'ok', timestamp: new Date().toISOString() });
  });

  router.post('/api/login', answering(async (req, res) => {
    const { rows } = await pool.query(
      `UPDATE users SET last_login = now() WHERE email = $1
       RETURNING id, email, full_name, role, created_at, last_login`,
      [req.body.email],
    );
    if (rows.length === 0) return res.status(401).json({ error: 'User not found' });
    return res.json({ user: rows[0], token: tokens.sign(rows[0]) });
  }));

  router.get('/api/lots', answering(async (req, res) => {
    const { rows } = await pool.query('SELECT * FROM lots ORDER BY created_at DESC LIMIT 100');
    res.json(rows);
  }));

  router.post('/api/lots', answering(async (req, res) => {
    res.status(201).json(await insertRow(pool, 'lots', req.body));
  }));

  router.get('/api/traceability/:lotCode', answering(async (req, res) => {
    const { rows } = await pool.query('SELECT * FROM lots WHERE lot_code = $1', [req.params.lotCode]);
    if (rows.length === 0) return res.status(404).json({ error: 'Lot not found' });
    const [central] = rows;
    const parents = await pool.query(PARENTS, [central.id]);
    const children = await pool.query(CHILDREN, [central.id]);
    return res.json({ central, parents: parents.rows, children: children.rows });
  }));

  router.post('/api/qc-decisions', answering(async (req, res) => {
    res.status(201).json(await insertRow(pool, 'qc_decisions', req.body));
  }));

  router.get('/api/runs', answering(async (req, res) => {
    const { rows } = await pool.query('SELECT * FROM production_runs ORDER BY started_at DESC');
    res.json(rows);
  }));

  router.get('/api/runs/:id', answering(async (req, res) => {
    const { rows } = await pool.query('SELECT * FROM production_runs WHERE id = $1', [req.params.id]);
    if (rows.length === 0) return res.status(404).json({ error: 'Run not found' });
    return res.json(rows[0]);
  }));

  router.post('/api/runs', answering(async (req, res) => {
    res.status(201).json(await insertRow(pool, 'production_runs', req.body));
  }));

  router.patch('/api/runs/:id', answering(async (req, res) => {
    const { status, ended_at: endedAt, summary } = req.body;
    const { rows } = await pool.query(
      `UPDATE production_runs
          SET status = COALESCE($2, status), ended_at = COALESCE($3, ended_at),
              summary = COALESCE($4, summary)
        WHERE id = $1 RETURNING *`,
      [req.params.id, status, endedAt, summary],
    );
    if (rows.length === 0) return res.status(404).json({ error: 'Run not found' });
    return res.json(rows[0]);
  }));

  return router;
}
