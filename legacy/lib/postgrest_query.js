// Turns PostgREST's query string into SQL. It decides what may be asked; it never touches a database.
import pg from 'pg';

const NOT_COLUMNS = new Set(['select', 'order', 'limit', 'offset', 'columns', 'apikey']);
const OPERATORS = { eq: '=', neq: '<>', gt: '>', gte: '>=', lt: '<', lte: '<=' };

/** What PostgREST says when a parameter cannot be read. */
export class UnreadableQuery extends Error {
  constructor(parameter, value) {
    super(`"failed to parse ${parameter} (${value})"`);
  }
}

const column = (name) => `lots.${pg.escapeIdentifier(name)}`;

/** The columns of `select=a,b`; everything when it is missing. */
export function selection(query) {
  if (query.select === undefined || query.select === '*') return 'lots.*';
  return String(query.select)
    .split(',')
    .map((name) => (name.trim() === '*' ? 'lots.*' : column(name.trim())))
    .join(', ');
}

/** The WHERE clause of `column=operator.value` filters, and its values. */
export function filters(query) {
  const conditions = [];
  const values = [];
  for (const [name, given] of Object.entries(query)) {
    if (NOT_COLUMNS.has(name)) continue;
    for (const filter of [given].flat()) {
      const [, operator, value] = /^(eq|neq|gte?|lte?)\.(.*)$/s.exec(filter) ?? [];
      if (operator === undefined) throw new UnreadableQuery('filter', filter);
      values.push(value);
      conditions.push(`${column(name)} ${OPERATORS[operator]} $${values.length}`);
    }
  }
  return { where: conditions.length ? `WHERE ${conditions.join(' AND ')}` : '', values };
}

/** The ORDER BY clause of `order=column.desc.nullslast,...`. */
export function ordering(query) {
  if (query.order === undefined) return '';
  const terms = String(query.order).split(',').map((term) => {
    const [, name, direction = '', nulls = ''] = /^(\w+)(\.asc|\.desc)?(\.nullsfirst|\.nullslast)?$/.exec(term) ?? [];
    if (name === undefined) throw new UnreadableQuery('order', term);
    return `${column(name)} ${direction.slice(1)} ${nulls.replace('.nulls', 'NULLS ')}`;
  });
  return `ORDER BY ${terms.join(', ')}`;
}

/** The LIMIT and OFFSET clauses. */
export function range(query) {
  return ['limit', 'offset']
    .filter((name) => query[name] !== undefined)
    .map((name) => {
      if (!/^\d+$/.test(query[name])) throw new UnreadableQuery(name, query[name]);
      return `${name} ${query[name]}`;
    })
    .join(' ');
}
