// node-postgres. It names no statement unless asked to; named ones need PgBouncer >= 1.21.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { Client, Query } = require('pg');

const env = process.env;
const prepared = env.DRIVER_PREPARED === '1';

function client(authority = env.PGSSLROOTCERT) {
  // rejectUnauthorized verifies the chain and the host's name: libpq's verify-full.
  return new Client({ host: env.PGHOST, port: env.PGPORT, ssl: { ca: fs.readFileSync(authority), rejectUnauthorized: true } });
}

async function failsWith(sqlstate, promise) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.code, sqlstate, error.message);
    return true;
  });
}

const checks = {
  async tls(db) {
    assert.equal(db.connection.stream.encrypted, true);
    await assert.rejects(client(env.DRIVER_OTHER_CA).connect(), /certificate/);
  },

  async parameters(db) {
    const { rows } = await db.query({ text: 'SELECT $1::int + $2::int, $3::text, $4::text', values: [40, 2, "it's ü", null], rowMode: 'array' });
    assert.deepEqual(rows, [[42, "it's ü", null]]);
  },

  async zone(db) {
    assert.deepEqual((await db.query('SELECT DISTINCT tenant_id FROM orders')).rows, [{ tenant_id: 'acme' }]);
    assert.deepEqual((await db.query('SELECT count(*)::int FROM orders WHERE tenant_id = $1', ['globex'])).rows, [{ count: 0 }]);
  },

  async insert(db) {
    const { rows } = await db.query('INSERT INTO orders (note) VALUES ($1) RETURNING tenant_id', ['driver insert']);
    assert.deepEqual(rows, [{ tenant_id: 'acme' }]);
  },

  async transactions(db) {
    await db.query('BEGIN');
    await db.query('INSERT INTO orders (note) VALUES ($1)', ['driver commit']);
    await db.query('COMMIT');
    await db.query('BEGIN');
    await db.query('INSERT INTO orders (note) VALUES ($1)', ['driver rollback']);
    await db.query('ROLLBACK');
  },

  async 'error-in-transaction'(db) {
    await db.query('BEGIN');
    await db.query("INSERT INTO orders (note) VALUES ('driver lost')");
    await failsWith('22012', db.query('SELECT 1 / $1::int', [0]));
    await failsWith('25P02', db.query('SELECT 1'));
    await db.query('ROLLBACK');
    assert.deepEqual((await db.query('SELECT 1 AS one')).rows, [{ one: 1 }]);
  },

  async 'ddl-refused'(db) {
    await failsWith('42501', db.query('CREATE TABLE driver_ddl (id int)'));
    await failsWith('42501', db.query({ text: 'CREATE TABLE driver_ddl (id int)', queryMode: 'extended' }));
    assert.deepEqual((await db.query('SELECT $1::int AS one', [1])).rows, [{ one: 1 }]);
  },

  async cancel(db) {
    const start = Date.now();
    const query = new Query('SELECT pg_sleep(30)');
    const ended = new Promise((resolve, reject) => query.on('error', reject).on('end', resolve));
    db.query(query);
    // Its own cancel: a second connection, in plaintext.
    setTimeout(() => client().cancel(db, query), 500);
    await failsWith('57014', ended);
    assert.ok(Date.now() - start < 10000);
  },

  async prepared(db) {
    for (let number = 0; number < 12; number++) {
      const query = { text: 'SELECT $1::int * 2 AS twice', values: [number] };
      if (prepared) query.name = 'twice';
      assert.deepEqual((await db.query(query)).rows, [{ twice: number * 2 }]);
    }
  },
};

async function main() {
  const db = client();
  await db.connect();
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check(db);
      console.log(`ok ${name}`);
    } catch (error) {
      console.log(`not ok ${name}: ${error.stack}`);
      process.exitCode = 1;
    }
  }
  await db.end();
}

main().catch((error) => {
  console.log(`not ok connect: ${error.stack}`);
  process.exitCode = 1;
});
