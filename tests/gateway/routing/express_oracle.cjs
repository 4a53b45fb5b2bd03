// Tells, for a list of routes and requests, which route Express picks. Reads and writes one JSON document.
const express = require(process.argv[2]);
const { routes, requests } = JSON.parse(require("fs").readFileSync(0, "utf8"));

const router = express.Router();
routes.forEach(([method, path], at) => {
  router[method.toLowerCase()](path, (request, response) => response.done(at));
});

const pick = ([method, url]) => {
  let picked = null;
  const request = { method, url, headers: {} };
  router(request, { done: (at) => { picked = at; }, setHeader() {} }, () => {});
  return picked;
};
process.stdout.write(JSON.stringify(requests.map(pick)));
