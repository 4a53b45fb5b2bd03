// Reads requests with Node's own strict parser. One line of JSON in (a connection's bytes in base64), one out:
// the requests it read, whether each was whole, and what it found wrong.
const http = require("http");
const readline = require("readline");
const { Duplex } = require("stream");

class Connection extends Duplex {
  _read() {}
  _write(chunk, encoding, done) { done(); }
  setTimeout() { return this; }
  setNoDelay() {}
  setKeepAlive() {}
}

const server = http.createServer({
  insecureHTTPParser: false,
  maxHeaderSize: 1 << 20,
  requestTimeout: 0,
  headersTimeout: 0,
  keepAliveTimeout: 0,
});
server.maxHeadersCount = 0;

const take = (request, response) => {
  const read = { method: request.method ?? "?", target: request.url, headers: request.rawHeaders, body: [], whole: false };
  request.socket.requests.push(read);
  request.on("data", (data) => read.body.push(data));
  request.on("end", () => { read.whole = request.complete; response.end(); });
  request.on("error", () => {});
  response.on("error", () => {});
};
server.on("request", take);
server.on("checkContinue", take);
server.on("checkExpectation", take);
server.on("connect", (request, socket) => { socket.fault = "CONNECT"; socket.destroy(); });
server.on("clientError", (error, socket) => { socket.fault ??= error.code || error.message; socket.destroy(); });

const readOne = (bytes) => new Promise((done) => {
  const connection = new Connection();
  connection.requests = [];
  connection.on("error", () => {});
  connection.on("close", () => {
    const requests = connection.requests.map(({ body, ...read }) => ({ ...read, body: Buffer.concat(body).toString("base64") }));
    done({ requests, fault: connection.fault ?? null });
  });
  server.emit("connection", connection);
  connection.push(bytes);
  connection.push(null);
});

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const reading = await readOne(Buffer.from(JSON.parse(line), "base64"));
    process.stdout.write(JSON.stringify(reading) + "\n");
  }
})();
