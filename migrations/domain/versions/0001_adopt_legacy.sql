-- The domain tables in a database that has none: what legacy/schema.sql makes in the schema `public`.
-- A migration is a fact of the past and never reads files that go on changing, so this is a copy.

-- Roles belong to the whole cluster: another database, or another start at this very moment, may
-- have made them already.
do $$
begin
  create role anon nologin noinherit;
exception when duplicate_object or unique_violation then null;
end $$;

do $$
begin
  create role authenticated nologin noinherit;
exception when duplicate_object or unique_violation then null;
end $$;

do $$
begin
  create role service_role nologin noinherit bypassrls;
exception when duplicate_object or unique_violation then null;
end $$;

create schema if not exists auth;
grant usage on schema auth, public to anon, authenticated, service_role;

-- On Supabase this function is there already and is not ours to replace.
do $$
begin
  if to_regprocedure('auth.uid()') is null then
    create function auth.uid() returns uuid language sql stable as $f$
      select coalesce(
        nullif(current_setting('request.jwt.claim.sub', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
      )::uuid
    $f$;
  end if;
end $$;

create table public.users (
  id uuid primary key default gen_random_uuid(),
  email text not null unique,
  full_name text,
  role text not null default 'VIEWER' check (role in ('ADMIN', 'MANAGER', 'AUDITOR', 'OPERATOR', 'VIEWER')),
  created_at timestamptz not null default now(),
  last_login timestamptz
);

create table public.scenarios (
  id uuid primary key default gen_random_uuid(),
  name jsonb not null,
  version text,
  config jsonb default '{}',
  i18n jsonb default '{}',
  is_active boolean default true,
  created_at timestamptz not null default now()
);

create table public.streams (
  id uuid primary key default gen_random_uuid(),
  scenario_id uuid not null references public.scenarios (id),
  stream_key text not null,
  name jsonb not null,
  color text,
  sort_order integer
);

create table public.qc_gates (
  id uuid primary key default gen_random_uuid(),
  scenario_id uuid not null references public.scenarios (id),
  gate_number integer not null,
  name jsonb not null,
  gate_type text not null check (gate_type in ('CHECKPOINT', 'BLOCKING', 'INFO')),
  is_ccp boolean default false,
  checklist jsonb default '[]'
);

create table public.phases (
  id uuid primary key default gen_random_uuid(),
  scenario_id uuid not null references public.scenarios (id),
  stream_id uuid references public.streams (id),
  qc_gate_id uuid references public.qc_gates (id),
  phase_number integer not null,
  name jsonb not null,
  description jsonb
);

create table public.production_runs (
  id uuid primary key default gen_random_uuid(),
  run_code text not null unique,
  scenario_id uuid references public.scenarios (id),
  operator_id uuid references public.users (id),
  status text not null default 'ACTIVE' check (status in ('ACTIVE', 'COMPLETED', 'CANCELLED')),
  daily_target_kg numeric,
  started_at timestamptz default now(),
  ended_at timestamptz,
  summary jsonb
);

create table public.lots (
  id uuid primary key default gen_random_uuid(),
  lot_code text not null unique,
  lot_type text check (lot_type in ('RAW', 'DEB', 'BULK', 'MIX', 'SKW', 'FRZ', 'FG')),
  production_run_id uuid references public.production_runs (id),
  phase_id uuid references public.phases (id),
  operator_id uuid references public.users (id),
  weight_kg numeric,
  temperature_c numeric,
  metadata jsonb default '{}',
  created_at timestamptz default now()
);

create table public.lot_genealogy (
  id uuid primary key default gen_random_uuid(),
  parent_lot_id uuid not null references public.lots (id),
  child_lot_id uuid not null references public.lots (id),
  quantity_used_kg numeric,
  linked_at timestamptz default now()
);

create table public.qc_decisions (
  id uuid primary key default gen_random_uuid(),
  lot_id uuid references public.lots (id),
  qc_gate_id uuid references public.qc_gates (id),
  operator_id uuid references public.users (id),
  decision text not null check (decision in ('PASS', 'HOLD', 'FAIL')),
  notes text,
  temperature_c numeric,
  digital_signature text,
  decided_at timestamptz default now()
);

-- Who sees what --------------------------------------------------------------------------------

-- Supabase grants its roles everything in `public`; row level security is the only lock.
grant select, insert, update, delete on
  public.users, public.scenarios, public.streams, public.qc_gates, public.phases,
  public.production_runs, public.lots, public.lot_genealogy, public.qc_decisions
  to anon, authenticated, service_role;

alter table public.users enable row level security;
alter table public.production_runs enable row level security;
alter table public.lots enable row level security;
alter table public.qc_decisions enable row level security;

create policy "anyone reads runs" on public.production_runs for select using (true);

create policy "operators start their own runs" on public.production_runs for insert
  with check (auth.uid() = operator_id);

create policy "operators change their own runs" on public.production_runs for update
  using (auth.uid() = operator_id) with check (auth.uid() = operator_id);

create policy "anyone reads lots" on public.lots for select using (true);

-- The browser registers lots through PostgREST, so there is one more policy than readers need.
create policy "signed-in people register lots" on public.lots for insert to authenticated with check (true);

create policy "anyone reads decisions" on public.qc_decisions for select using (true);
