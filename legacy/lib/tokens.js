// The one kind of token of the whole system: an HS256 JWT signed with the Supabase project's secret.
// Which routes want one is decided elsewhere.
import jwt from 'jsonwebtoken';

export const LIFETIME_SECONDS = 3600;
const ROLES = new Set(['anon', 'authenticated', 'service_role']);

/** The token of an `Authorization: Bearer` header; '' when the scheme came alone, null without one. */
export function bearerOf(request) {
  const match = /^Bearer(?:\s+(.*))?$/i.exec(request.headers.authorization ?? '');
  return match && (match[1] ?? '').trim();
}

export function createTokens(secret) {
  function verify(token, options) {
    const claims = jwt.verify(token, secret, { algorithms: ['HS256'], ...options });
    // jsonwebtoken takes a token without `exp` for one that never expires
    if (typeof claims.exp !== 'number') throw new jwt.JsonWebTokenError('jwt has no exp');
    return claims;
  }

  return {
    /** Signs a person's token; `role` opens Supabase, the person's own role is in `app_metadata`. */
    sign(person, extra = {}) {
      const claims = {
        sub: person.id,
        email: person.email,
        role: 'authenticated',
        aud: 'authenticated',
        app_metadata: { role: person.role },
        ...extra,
      };
      return jwt.sign(claims, secret, { algorithm: 'HS256', expiresIn: LIFETIME_SECONDS });
    },

    /** The claims of somebody who has signed in; throws otherwise. The project's apikey is nobody. */
    person(token) {
      const claims = verify(token, { audience: 'authenticated' });
      if (!claims.sub) throw new jwt.JsonWebTokenError('jwt has no sub');
      return claims;
    },

    /** The claims of anything that may name a database role: a person's token or an apikey. */
    caller(token) {
      const claims = verify(token);
      if (!ROLES.has(claims.role)) throw new jwt.JsonWebTokenError('jwt names no role of this project');
      return claims;
    },
  };
}
