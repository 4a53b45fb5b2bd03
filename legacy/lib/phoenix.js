// The frames of the Phoenix channel protocol, in both forms supabase-js has used: 1.0.0 writes a
// message as an object, 2.0.0 as an array with the join's ref in front. No sockets here.

export const VERSIONS = new Set(['1.0.0', '2.0.0']);

/** Reads one text frame; throws when it is not a message. */
export function decode(version, text) {
  const raw = JSON.parse(text);
  const [joinRef, ref, topic, event, payload] = version === '2.0.0'
    ? raw
    : [raw.join_ref, raw.ref, raw.topic, raw.event, raw.payload];
  if (typeof topic !== 'string' || typeof event !== 'string') throw new TypeError('not a Phoenix message');
  return { joinRef: joinRef ?? null, ref: ref ?? null, topic, event, payload: payload ?? {} };
}

/** Writes one text frame. The payload is JSON text already: a row's numbers must not pass through Node. */
export function encode(version, { joinRef = null, ref = null, topic, event, payloadText }) {
  if (version === '2.0.0') {
    const head = [joinRef, ref, topic, event].map((part) => JSON.stringify(part)).join(',');
    return `[${head},${payloadText}]`;
  }
  const head = JSON.stringify({ topic, event, ref }).slice(0, -1);
  return `${head},"payload":${payloadText}}`;
}
