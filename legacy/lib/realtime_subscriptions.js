// What a browser asked to hear of, and whether an inserted row is part of it. Pure.

/** A wish this stand-in cannot honour is refused: ignoring a filter would deliver rows nobody asked for. */
export class UnreadableWish extends Error {}

let lastId = 0;

function subscriptionOf(wish) {
  const { event, schema, table, filter } = wish ?? {};
  if (typeof event !== 'string') throw new UnreadableWish('a postgres_changes entry needs an event');
  if (filter && !/^\w+=eq\..*$/s.test(filter)) throw new UnreadableWish(`unsupported filter: ${filter}`);
  lastId += 1;
  return { id: lastId, event, schema, table, filter };
}

/** Gives every wish an id; supabase-js compares the other fields with what it sent, so they go back as they came. */
export function subscriptionsOf(wishes) {
  if (!Array.isArray(wishes)) throw new UnreadableWish('postgres_changes must be a list');
  return wishes.map(subscriptionOf);
}

function passes(filter, record) {
  if (!filter) return true;
  const [, column, value] = /^(\w+)=eq\.(.*)$/s.exec(filter);
  return String(record[column]) === value;
}

export function matches({ event, schema, table, filter }, change) {
  return (event === '*' || event.toUpperCase() === change.type)
    && schema === change.schema
    && (table === undefined || table === '*' || table === change.table)
    && passes(filter, change.record);
}
