-- What empties a table is told to its own connection, like a row that is written: nothing is stored.
create function strangler.emptied() returns trigger language plpgsql as $$
begin
  raise info using errcode = 'SG001', message = jsonb_build_object(
    'op', 'truncate', 'table', format('%I.%I', tg_table_schema, tg_table_name))::text;
  return null;
end $$;

create or replace function strangler.capture(captured regclass) returns void language plpgsql as $$
begin
  execute format(
    'create or replace trigger zz_strangler_attempted before insert on %s for each row '
    'when (current_setting(''strangler.run'', true) <> '''') execute function strangler.attempted()', captured);
  execute format(
    'create or replace trigger zz_strangler_captured after insert or update or delete on %s for each row '
    'when (current_setting(''strangler.run'', true) <> '''') execute function strangler.captured()', captured);
  execute format(
    'create or replace trigger zz_strangler_emptied before truncate on %s for each statement '
    'when (current_setting(''strangler.run'', true) <> '''') execute function strangler.emptied()', captured);
end $$;
