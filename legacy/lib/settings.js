// What the environment must say before anything starts.

export class SettingError extends Error {}

function required(env, name) {
  if (!env[name]) throw new SettingError(`legacy needs the environment variable ${name}`);
  return env[name];
}

/** Reads the settings; port 0 asks the system for a free one. */
export function readSettings(env) {
  const port = env.PORT || '3001';
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65535) {
    throw new SettingError(`PORT must be a number from 0 to 65535, not "${port}"`);
  }
  return {
    databaseUrl: required(env, 'DATABASE_URL'),
    jwtSecret: required(env, 'SUPABASE_JWT_SECRET'),
    host: env.HOST || '127.0.0.1',
    port: Number(port),
  };
}
