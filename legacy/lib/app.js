// Puts the Express application together; the order of the lines is what a client can observe.
import cors from 'cors';
import express from 'express';

import { apiRoutes } from './api.js';
import { requireApiKey } from './apikey.js';
import { authRoutes } from './supabase_auth.js';
import { restRoutes } from './supabase_rest.js';

export function createApp({ pool, tokens }) {
  const app = express();
  app.use(cors());
  // before express.json(): PostgREST hands the body to PostgreSQL unparsed, numbers above 2^53 included
  app.use('/rest/v1', requireApiKey(tokens), restRoutes({ pool, tokens }));
  app.use(express.json());
  app.use('/auth/v1', requireApiKey(tokens), authRoutes({ pool, tokens }));
  // not mounted below '/api': a mounted router would also answer /api//lots
  app.use(apiRoutes({ pool, tokens }));
  return app;
}
