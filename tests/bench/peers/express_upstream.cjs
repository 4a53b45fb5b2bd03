// An upstream as a legacy backend is one: Express. It answers like upstream.conf. argv: port mark answer
const express = require('express');

const [port, mark, answer] = process.argv.slice(2);
const document = JSON.parse(answer);
const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.use((request, response, next) => {
  response.set('x-mark', mark);
  next();
});
app.get('/mark', (request, response) => {
  const header = (name) => request.get(name) || '';
  response.append('set-cookie', 'a=1');
  response.append('set-cookie', 'b=2');
  response.json({
    mark,
    probe: header('x-probe'),
    forwarded_for: header('x-forwarded-for'),
    connection: header('connection'),
    query: request.originalUrl.split('?')[1] || '',
  });
});
app.post('/echo', async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  response.set('x-body', Buffer.concat(parts).toString('latin1')).end('ok');
});
app.use((request, response) => response.json(document));
app.listen(Number(port), '127.0.0.1', 4096);
