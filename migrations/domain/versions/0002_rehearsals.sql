-- The schema of the new side, beside legacy's tables.
create schema strangler;

-- What a rehearsal writes is told to its own connection, row by row, as INFO: nothing is stored and nothing stays.
-- A row is told before PostgreSQL has looked for duplicates too, so that a refused one is known by its keys.
create function strangler.attempted() returns trigger language plpgsql as $$
begin
  raise info using errcode = 'SG001', message = jsonb_build_object(
    'op', 'attempt', 'table', format('%I.%I', tg_table_schema, tg_table_name), 'new', to_jsonb(new))::text;
  return new;
end $$;

create function strangler.captured() returns trigger language plpgsql as $$
begin
  raise info using errcode = 'SG001', message = jsonb_build_object(
    'op', lower(tg_op), 'table', format('%I.%I', tg_table_schema, tg_table_name),
    'old', case when tg_op <> 'INSERT' then to_jsonb(old) end,
    'new', case when tg_op <> 'DELETE' then to_jsonb(new) end)::text;
  return null;
end $$;

-- A table is captured from when this is called for it: `select strangler.capture('public.lots')`.
create function strangler.capture(captured regclass) returns void language plpgsql as $$
begin
  execute format(
    'create or replace trigger zz_strangler_attempted before insert on %s for each row '
    'when (current_setting(''strangler.run'', true) <> '''') execute function strangler.attempted()', captured);
  execute format(
    'create or replace trigger zz_strangler_captured after insert or update or delete on %s for each row '
    'when (current_setting(''strangler.run'', true) <> '''') execute function strangler.captured()', captured);
end $$;

-- Legacy's sessions fire the triggers' conditions only; these rights are for the new side's and Supabase's roles.
grant usage on schema strangler to public;

-- What leaves the database does so through here, once the transaction that put it here has been committed.
create table strangler.outbox (
  id bigint generated always as identity primary key,
  topic text not null,
  payload jsonb not null,
  created_at timestamptz not null default now(),
  attempts integer not null default 0,
  due_at timestamptz not null default now()
);
create index outbox_due on strangler.outbox (due_at);
