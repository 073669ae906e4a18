// What the Node.js clients share: named checks, one line of output for each. tests/drivers/matrix.rs
// says what a check of a name does in every language.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');

const env = process.env;
// Without it: a connection straight to PostgreSQL, which has no certificate here.
const TLS = env.PGSSLMODE !== 'disable';
const OTHER_CA = env.DRIVER_OTHER_CA;

// rejectUnauthorized verifies the chain and the host's name: libpq's verify-full.
const ssl = (authority = env.PGSSLROOTCERT) => TLS && { ca: fs.readFileSync(authority), rejectUnauthorized: true };

// Connections open at once, transactions in each of them, executions of prepared statements.
const CLIENTS = 20;
const ROUNDS = 5;
const EXECUTIONS = 200;

// The error of the server below those in which libraries wrap it.
function original(error) {
  const cause = error.cause ?? error.original ?? error.parent ?? error.meta?.driverAdapterError;
  return cause && typeof cause === 'object' ? original(cause) : error;
}

async function failsWith(sqlstate, promise) {
  await assert.rejects(Promise.resolve(promise), (error) => {
    const found = original(error);
    assert.equal(found.code ?? found.originalCode, sqlstate, `expected ${sqlstate}: ${error.message} ${found.message}`);
    return true;
  });
}

// Asks for the cancellation of `query` again and again: the first request may come too early. When
// this ends no request is on its way that the next statement would get.
async function cancelled(query, cancel) {
  let ended = false;
  const asking = (async () => {
    while (!ended) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      if (!ended) await cancel();
    }
  })();
  try {
    await failsWith('57014', query);
  } finally {
    ended = true;
    await asking;
  }
}

// Runs work(number, arrive) CLIENTS times at once; arrive() resolves when everybody has called it.
async function together(work) {
  let arrived = 0;
  let open;
  const barrier = new Promise((resolve) => (open = resolve));
  const arrive = () => {
    if (++arrived === CLIENTS) open();
    return barrier;
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, number) => work(number, arrive)));
}

async function run(checks, ...given) {
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check(...given);
      console.log(`ok ${name}`);
    } catch (error) {
      console.log(`not ok ${name}: ${error.stack}\n${original(error).message} ${original(error).detail ?? ''}`);
      process.exitCode = 1;
    }
  }
}

// A promise that nobody awaits any more would end the program without a word about the checks.
function main(program) {
  program().catch((error) => {
    console.log(`not ok connect: ${error.stack}`);
    process.exitCode = 1;
  });
}

const INSERT = 'INSERT INTO orders (note) VALUES ($1)';

module.exports = { assert, env, TLS, OTHER_CA, ssl, CLIENTS, ROUNDS, EXECUTIONS, INSERT, failsWith, cancelled, together, run, main };
