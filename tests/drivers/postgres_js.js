// postgres.js: prepares everything by name, sends ahead what does not wait.
'use strict';

const { pipeline } = require('node:stream/promises');
const { Readable } = require('node:stream');
const postgres = require('postgres');
const { assert, env, TLS, OTHER_CA, ssl, CLIENTS, ROUNDS, EXECUTIONS, failsWith, cancelled, together, run, main } = require('./checks.js');

function open(max = 1, authority) {
  return postgres({
    host: env.PGHOST,
    port: env.PGPORT,
    user: env.PGUSER,
    password: env.PGPASSWORD,
    database: env.PGDATABASE,
    max,
    onnotice() {},
    ssl: ssl(authority),
    connection: { application_name: 'driver' },
  });
}

const note = (sql, text) => sql`INSERT INTO orders (note) VALUES (${text})`;

const checks = {
  async connect(sql) {
    assert.deepEqual([...(await sql`SELECT current_setting('application_name') AS name`)], [{ name: 'driver' }]);
    if (TLS) {
      const other = open(1, OTHER_CA);
      await assert.rejects(other`SELECT 1`.execute(), /certificate/);
      await other.end();
    }
  },

  async types(sql) {
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
      // It asks the catalogs for array types when it connects.
      ['int[]', [1, 2, 3]],
      ['text[]', ['a', 'b,"c\'', '']],
    ]) {
      const [{ found }] = await sql`SELECT ${given}::${sql.unsafe(type)} AS found`;
      assert.deepEqual(found, given, type);
    }
  },

  async ddl(sql) {
    await sql`CREATE TABLE driver_ddl (id int)`;
    await sql`DROP TABLE driver_ddl`;
  },

  async listen(sql) {
    const { unlisten } = await sql.listen('driver', () => {});
    await unlisten();
  },

  async zone(sql) {
    assert.deepEqual([...(await sql`SELECT DISTINCT tenant_id FROM orders`)], [{ tenant_id: 'acme' }]);
    assert.deepEqual([...(await sql`SELECT count(*)::int FROM orders WHERE tenant_id = ${'globex'}`)], [{ count: 0 }]);
    const rows = await sql`INSERT INTO orders ${sql({ note: 'driver insert' })} RETURNING tenant_id`;
    assert.deepEqual([...rows], [{ tenant_id: 'acme' }]);
  },

  async prepared(sql) {
    for (let number = 0; number < EXECUTIONS / 2; number++) {
      assert.deepEqual([...(await sql`SELECT ${number}::int * 2 AS twice`)], [{ twice: number * 2 }]);
      const tenant = await sql`SELECT tenant_id || ${number}::text AS tenant FROM orders LIMIT 1`;
      assert.deepEqual([...tenant], [{ tenant: `acme${number}` }]);
    }
  },

  async savepoints(sql) {
    const undo = new Error('undo');
    const ignored = (error) => assert.equal(error, undo);
    await sql.begin(async (sql) => {
      await note(sql, 'driver before');
      const undone = sql.savepoint(async (sql) => {
        await note(sql, 'driver undone');
        throw undo;
      });
      await undone.catch(ignored);
      await note(sql, 'driver after');
      await sql.savepoint((sql) => note(sql, 'driver released'));
    });
    const lost = sql.begin(async (sql) => {
      await note(sql, 'driver rollback');
      throw undo;
    });
    await lost.catch(ignored);
    await sql.begin(async (sql) => {
      await failsWith('22012', sql.savepoint((sql) => sql`SELECT 1 / ${0}::int`));
      await note(sql, 'driver mended');
    });
  },

  async recovery(sql) {
    await failsWith('22012', sql`SELECT 1 / ${0}::int`);
    await failsWith('42P01', sql`SELECT 1 FROM driver_nothing`);
    await failsWith('42601', sql`SELEC 1`);
    await failsWith('23505', sql`INSERT INTO orders (id, note) VALUES (1, ${'driver lost'})`);
    const lost = sql.begin(async (sql) => {
      await note(sql, 'driver lost');
      await failsWith('22012', sql`SELECT 1 / ${0}::int`);
      await sql`SELECT 1`;
    });
    // It gives the transaction's first error back.
    await assert.rejects(lost, (error) => ['22012', '25P02'].includes(error.code));
    assert.deepEqual([...(await sql`SELECT ${2}::int AS two`)], [{ two: 2 }]);
  },

  async settings(sql) {
    const zone = async (sql) => (await sql`SELECT current_setting('TimeZone') AS zone`)[0].zone;
    const before = await zone(sql);
    await sql`SET TimeZone TO 'Asia/Tokyo'`;
    for (let times = 0; times < 3; times++) assert.equal(await zone(sql), 'Asia/Tokyo');
    const undone = sql.begin('isolation level serializable', async (sql) => {
      await sql`SET TimeZone TO 'Asia/Tbilisi'`;
      assert.equal(await zone(sql), 'Asia/Tbilisi');
      throw new Error('undo');
    });
    await assert.rejects(undone, /undo/);
    assert.equal(await zone(sql), 'Asia/Tokyo');
    await sql`RESET TimeZone`;
    assert.equal(await zone(sql), before);
  },

  async copy(sql) {
    const rows = Array.from({ length: 1000 }, (_, number) => `${number}\tdriver copy\n`);
    await pipeline(Readable.from(rows), await sql`COPY imports (id, note) FROM STDIN`.writable());
    let received = '';
    for await (const chunk of await sql`COPY (SELECT id, note FROM imports ORDER BY id) TO STDOUT`.readable()) received += chunk;
    assert.equal(received.split('driver copy\n').length, 1001);
  },

  async cancel() {
    const sql = open();
    const query = sql`SELECT pg_sleep(30)`;
    const ended = query.execute();
    await cancelled(ended, () => query.cancel());
    // Nobody waits until the request is dealt with, and PostgreSQL signals twice: the second signal may find
    // the next statement.
    await sql`SELECT pg_sleep(0.1)`.catch((error) => assert.equal(error.code, '57014'));
    assert.deepEqual([...(await sql`SELECT 1 AS one`)], [{ one: 1 }]);
    await sql.end();
  },

  async pipeline(sql) {
    const numbers = Array.from({ length: 50 }, (_, number) => number);
    const ahead = numbers.map((number) => sql`SELECT ${number}::int AS number`);
    const broken = failsWith('22012', sql`SELECT 1 / ${0}::int`);
    const behind = numbers.map((number) => sql`SELECT ${number}::int AS number`);
    assert.deepEqual((await Promise.all(ahead)).map(([row]) => row.number), numbers);
    await broken;
    assert.deepEqual((await Promise.all(behind)).map(([row]) => row.number), numbers);
    await sql.begin((sql) => numbers.map(() => note(sql, 'driver pipeline')));
  },

  async cursor(sql) {
    let count = 0;
    await sql`SELECT generate_series(1, 1000)`.cursor(100, (rows) => {
      count += rows.length;
    });
    assert.equal(count, 1000);
  },

  async concurrent() {
    const sql = open(CLIENTS);
    await together(async (number, arrive) => {
      const db = await sql.reserve();
      await arrive();
      for (let round = 0; round < ROUNDS; round++) {
        await db`BEGIN`;
        await note(db, 'driver concurrent');
        assert.deepEqual([...(await db`SELECT ${number}::int + ${round}::int AS sum`)], [{ sum: number + round }]);
        await db`COMMIT`;
      }
      db.release();
    });
    await sql.end();
  },
};

main(async () => {
  const sql = open();
  await run(checks, sql);
  await sql.end();
});
