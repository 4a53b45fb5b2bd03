// What stands before every Supabase service: the project's apikey, in a header or in the query.

const MISSING = {
  message: 'No API key found in request',
  hint: 'No `apikey` request header or url param was found.',
};
const INVALID = {
  message: 'Invalid API key',
  hint: 'Double check your Supabase `anon` or `service_role` API key.',
};

/** The body of the refusal, or null when the key opens the project. */
export function apiKeyRefusal(tokens, key) {
  if (!key) return MISSING;
  try {
    tokens.caller(key);
    return null;
  } catch {
    return INVALID;
  }
}

export function requireApiKey(tokens) {
  return (req, res, next) => {
    const refusal = apiKeyRefusal(tokens, req.get('apikey') ?? req.query.apikey);
    if (refusal) res.status(401).json(refusal);
    else next();
  };
}
