// fastify + @fastify/http-proxy (undici), with forwarded headers, which it does not send by itself. argv: port upstream
const fastify = require('fastify');
const proxy = require('@fastify/http-proxy');

const [port, upstream] = process.argv.slice(2);
const app = fastify({ logger: false });
app.register(proxy, {
  upstream,
  undici: { connections: 1024, pipelining: 1, keepAliveTimeout: 60000 },
  replyOptions: {
    rewriteRequestHeaders: (request, headers) => ({
      ...headers,
      'x-forwarded-for': request.socket.remoteAddress,
      'x-forwarded-proto': 'http',
      'x-forwarded-host': headers.host,
    }),
  },
});
app.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 });
