// express + http-proxy-middleware with a keep-alive agent, which its default (a connection a request) is not. argv: port upstream
const http = require('http');
const express = require('express');
const { createProxyMiddleware } = require('http-proxy-middleware');

const [port, target] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: 2048 });
const app = express();
app.disable('x-powered-by');
app.use(createProxyMiddleware({ target, xfwd: true, changeOrigin: false, agent }));
app.listen(Number(port), '127.0.0.1', 4096);
