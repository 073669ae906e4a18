// node-postgres.
'use strict';

const { pipeline } = require('node:stream/promises');
const { Readable } = require('node:stream');
const { Client, Query } = require('pg');
const { from, to } = require('pg-copy-streams');
const { assert, env, TLS, OTHER_CA, ssl, ROUNDS, EXECUTIONS, INSERT, failsWith, cancelled, together, run, main } = require('./checks.js');

function client(authority) {
  return new Client({ host: env.PGHOST, port: env.PGPORT, application_name: 'driver', ssl: ssl(authority) });
}

async function connected() {
  const db = client();
  await db.connect();
  return db;
}

async function value(db, text, ...values) {
  const { rows } = await db.query({ text, values, rowMode: 'array' });
  return rows[0][0];
}

const checks = {
  async connect(db) {
    assert.equal(await value(db, "SELECT current_setting('application_name')"), 'driver');
    assert.equal(Boolean(db.connection.stream.encrypted), TLS);
    if (TLS) await assert.rejects(client(OTHER_CA).connect(), /certificate/);
  },

  async types(db) {
    for (const [type, given] of [
      ['bool', true],
      ['int2', -32768],
      ['int8', '9223372036854775807'],
      ['float8', 0.1],
      ['numeric', '12345678901234567890.123456789'],
      ['text', "it's \\ ü €\n"],
      ['text', ''],
      ['text', null],
      ['bytea', Buffer.from([0, 255, 39, 92])],
      ['timestamptz', new Date('2026-02-28T12:00:00.123Z')],
      ['uuid', '01234567-89ab-cdef-0123-456789abcdef'],
      ['jsonb', { a: [1, null, 'ü'] }],
      ['int[]', [1, null, 3]],
      ['text[]', ['a', 'b,"c\'', null]],
    ]) {
      assert.deepEqual(await value(db, `SELECT $1::${type}`, given), given);
    }
    assert.equal((await db.query({ text: 'SELECT $1::int8 AS n', values: [7], binary: true })).rows.length, 1);
  },

  async ddl(db) {
    await db.query('CREATE TABLE driver_ddl (id int)');
    await db.query('DROP TABLE driver_ddl');
  },

  async listen(db) {
    await db.query('LISTEN driver');
    await db.query('UNLISTEN driver');
  },

  async zone(db) {
    assert.deepEqual((await db.query('SELECT DISTINCT tenant_id FROM orders')).rows, [{ tenant_id: 'acme' }]);
    assert.deepEqual((await db.query('SELECT count(*)::int FROM orders WHERE tenant_id = $1', ['globex'])).rows, [{ count: 0 }]);
    assert.equal(await value(db, 'INSERT INTO orders (note) VALUES ($1) RETURNING tenant_id', 'driver insert'), 'acme');
  },

  async prepared(db) {
    for (let number = 0; number < EXECUTIONS / 2; number++) {
      const twice = { name: 'twice', text: 'SELECT $1::int * 2 AS twice', values: [number] };
      assert.deepEqual((await db.query(twice)).rows, [{ twice: number * 2 }]);
      const tenant = { name: 'tenant', text: 'SELECT tenant_id || $1 AS tenant FROM orders LIMIT 1', values: [number] };
      assert.deepEqual((await db.query(tenant)).rows, [{ tenant: `acme${number}` }]);
    }
  },

  async savepoints(db) {
    await db.query('BEGIN');
    await db.query(INSERT, ['driver before']);
    await db.query('SAVEPOINT a');
    await db.query(INSERT, ['driver undone']);
    await db.query('ROLLBACK TO a');
    await db.query(INSERT, ['driver after']);
    await db.query('SAVEPOINT b');
    await db.query(INSERT, ['driver released']);
    await db.query('RELEASE b');
    await db.query('COMMIT');
    await db.query('BEGIN');
    await db.query(INSERT, ['driver rollback']);
    await db.query('ROLLBACK');
    await db.query('BEGIN');
    await db.query('SAVEPOINT c');
    await failsWith('22012', db.query('SELECT 1 / $1::int', [0]));
    await db.query('ROLLBACK TO c');
    await db.query(INSERT, ['driver mended']);
    await db.query('COMMIT');
  },

  async recovery(db) {
    await failsWith('22012', db.query('SELECT 1 / $1::int', [0]));
    await failsWith('42P01', db.query('SELECT 1 FROM driver_nothing'));
    await failsWith('42601', db.query('SELEC 1'));
    await failsWith('23505', db.query('INSERT INTO orders (id, note) VALUES (1, $1)', ['driver lost']));
    // A name whose Parse failed can be given again.
    await failsWith('42P01', db.query({ name: 'bad', text: 'SELECT 1 FROM driver_nothing' }));
    await failsWith('42P01', db.query({ name: 'bad', text: 'SELECT 1 FROM driver_nothing' }));
    await db.query('BEGIN');
    await db.query(INSERT, ['driver lost']);
    await failsWith('22012', db.query('SELECT 1 / $1::int', [0]));
    await failsWith('25P02', db.query('SELECT 1'));
    await db.query('ROLLBACK');
    assert.equal(await value(db, 'SELECT $1::int', 2), 2);
  },

  async settings(db) {
    const zone = () => value(db, "SELECT current_setting('TimeZone')");
    const before = await zone();
    await db.query("SET TimeZone TO 'Asia/Tokyo'");
    for (let times = 0; times < 3; times++) assert.equal(await zone(), 'Asia/Tokyo');
    await db.query('BEGIN');
    await db.query("SET TimeZone TO 'Asia/Tbilisi'");
    assert.equal(await zone(), 'Asia/Tbilisi');
    await db.query('ROLLBACK');
    assert.equal(await zone(), 'Asia/Tokyo');
    await db.query('RESET TimeZone');
    assert.equal(await zone(), before);
  },

  async copy(db) {
    const rows = Array.from({ length: 1000 }, (_, number) => `${number}\tdriver copy\n`);
    await pipeline(Readable.from(rows), db.query(from('COPY imports (id, note) FROM STDIN')));
    let received = '';
    for await (const chunk of db.query(to('COPY (SELECT id, note FROM imports ORDER BY id) TO STDOUT'))) received += chunk;
    assert.equal(received.split('driver copy\n').length, 1001);
    assert.equal(await value(db, 'SELECT 1'), 1);
  },

  async cancel() {
    const db = await connected();
    const query = new Query('SELECT pg_sleep(30)');
    const ended = new Promise((resolve, reject) => query.on('error', reject).on('end', resolve));
    db.query(query);
    // Its own cancel: a second connection, in plaintext.
    await cancelled(ended, () => {
      if (db.activeQuery !== query) return undefined;
      const other = client();
      const closed = new Promise((resolve) => other.connection.once('end', resolve));
      other.cancel(db, query);
      return closed;
    });
    assert.equal(await value(db, 'SELECT 1'), 1);
    await db.end();
  },

  async concurrent() {
    await together(async (number, arrive) => {
      const db = await connected();
      await arrive();
      for (let round = 0; round < ROUNDS; round++) {
        await db.query('BEGIN');
        await db.query(INSERT, ['driver concurrent']);
        const sum = { name: 'sum', text: 'SELECT $1::int + $2::int AS sum', values: [number, round] };
        assert.deepEqual((await db.query(sum)).rows, [{ sum: number + round }]);
        await db.query('COMMIT');
      }
      await db.end();
    });
  },
};

main(async () => {
  const db = await connected();
  await run(checks, db);
  await db.end();
});
