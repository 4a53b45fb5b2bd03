// Supabase Auth, as much of it as the browser calls: sign in, refresh, who am I, sign out.
import { createHash, randomBytes } from 'node:crypto';

import { Router } from 'express';

import { passwordMatches } from './passwords.js';
import { bearerOf, LIFETIME_SECONDS } from './tokens.js';

const digestOf = (token) => createHash('sha256').update(token).digest('hex');

class Refusal extends Error {
  constructor(status, code, message) {
    super(message);
    this.body = { code: status, error_code: code, msg: message };
  }
}

const badCredentials = () => new Refusal(400, 'invalid_credentials', 'Invalid login credentials');

function answering(handler) {
  return (req, res) => {
    handler(req, res).catch((error) => {
      const { body } = error instanceof Refusal ? error : new Refusal(500, 'unexpected_failure', error.message);
      res.status(body.code).json(body);
    });
  };
}

function userBody(account) {
  return {
    id: account.id,
    aud: 'authenticated',
    role: 'authenticated',
    email: account.email,
    email_confirmed_at: account.created_at,
    phone: '',
    confirmed_at: account.created_at,
    last_sign_in_at: account.last_sign_in_at,
    app_metadata: account.raw_app_meta_data,
    user_metadata: account.raw_user_meta_data,
    identities: [],
    created_at: account.created_at,
    updated_at: account.updated_at,
    is_anonymous: false,
  };
}

export function authRoutes({ pool, tokens }) {
  async function one(sql, ...values) {
    const { rows } = await pool.query(sql, values);
    return rows[0];
  }

  async function openSession(account, sessionId, method) {
    const refreshToken = randomBytes(9).toString('base64url');
    await pool.query('INSERT INTO auth.refresh_tokens (digest, session_id) VALUES ($1, $2)', [
      digestOf(refreshToken),
      sessionId,
    ]);
    const now = Math.floor(Date.now() / 1000);
    return {
      access_token: tokens.sign(account, {
        app_metadata: account.raw_app_meta_data,
        user_metadata: account.raw_user_meta_data,
        phone: '',
        aal: 'aal1',
        amr: [{ method, timestamp: now }],
        session_id: sessionId,
        is_anonymous: false,
      }),
      token_type: 'bearer',
      expires_in: LIFETIME_SECONDS,
      expires_at: now + LIFETIME_SECONDS,
      refresh_token: refreshToken,
      user: userBody(account),
    };
  }

  async function signIn({ email, password }) {
    if (typeof email !== 'string' || typeof password !== 'string') throw badCredentials();
    const known = await one('SELECT * FROM auth.users WHERE email = lower($1)', email);
    if (!known || !(await passwordMatches(password, known.encrypted_password))) throw badCredentials();
    const account = await one(
      'UPDATE auth.users SET last_sign_in_at = now(), updated_at = now() WHERE id = $1 RETURNING *',
      known.id,
    );
    const session = await one('INSERT INTO auth.sessions (user_id) VALUES ($1) RETURNING id', account.id);
    return openSession(account, session.id, 'password');
  }

  async function refresh({ refresh_token: refreshToken }) {
    // one statement, so that two requests with the same token do not both get a new one
    const spent = await one(
      'DELETE FROM auth.refresh_tokens WHERE digest = $1 RETURNING session_id',
      digestOf(String(refreshToken)),
    );
    if (!spent) {
      throw new Refusal(400, 'refresh_token_not_found', 'Invalid Refresh Token: Refresh Token Not Found');
    }
    const account = await one(
      'SELECT u.* FROM auth.users u JOIN auth.sessions s ON s.user_id = u.id WHERE s.id = $1',
      spent.session_id,
    );
    return openSession(account, spent.session_id, 'token_refresh');
  }

  const grants = new Map([['password', signIn], ['refresh_token', refresh]]);

  async function signedIn(req) {
    const token = bearerOf(req);
    if (token === null) {
      throw new Refusal(401, 'no_authorization', 'This endpoint requires a valid Bearer token');
    }
    let claims;
    try {
      claims = tokens.person(token);
    } catch (error) {
      throw new Refusal(403, 'bad_jwt', `invalid JWT: ${error.message}`);
    }
    // the token of /api/login belongs to no session and opens this door as well
    if (claims.session_id && !(await one('SELECT 1 FROM auth.sessions WHERE id = $1', claims.session_id))) {
      throw new Refusal(403, 'session_not_found', 'Session from session_id claim in JWT does not exist');
    }
    return claims;
  }

  const router = Router();

  router.post('/token', answering(async (req, res) => {
    const grant = grants.get(req.query.grant_type);
    if (!grant) throw new Refusal(400, 'invalid_credentials', 'unsupported_grant_type');
    res.json(await grant(req.body));
  }));

  router.get('/user', answering(async (req, res) => {
    const { sub } = await signedIn(req);
    const account = await one('SELECT * FROM auth.users WHERE id = $1', sub);
    if (!account) throw new Refusal(403, 'user_not_found', 'User from sub claim in JWT does not exist');
    res.json(userBody(account));
  }));

  router.post('/logout', answering(async (req, res) => {
    const { sub, session_id: sessionId } = await signedIn(req);
    await pool.query(
      `DELETE FROM auth.sessions WHERE user_id = $1
          AND CASE $3 WHEN 'local' THEN id = $2 WHEN 'others' THEN id IS DISTINCT FROM $2 ELSE true END`,
      [sub, sessionId, req.query.scope ?? 'global'],
    );
    res.status(204).end();
  }));

  return router;
}
