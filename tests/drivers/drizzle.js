// Drizzle over node-postgres' pool.
'use strict';

const { Pool } = require('pg');
const { drizzle } = require('drizzle-orm/node-postgres');
const { bigint, pgTable, text } = require('drizzle-orm/pg-core');
const { eq, sql } = require('drizzle-orm');
const { assert, env, TLS, OTHER_CA, ssl, CLIENTS, ROUNDS, EXECUTIONS, failsWith, together, run, main } = require('./checks.js');

const orders = pgTable('orders', {
  id: bigint({ mode: 'number' }).primaryKey().generatedByDefaultAsIdentity(),
  tenant: text('tenant_id').notNull().default(sql`current_setting('app.tenant_id', true)`),
  note: text(),
});

function open(max = 1, authority) {
  return drizzle(new Pool({ host: env.PGHOST, port: env.PGPORT, application_name: 'driver', max, ssl: ssl(authority) }));
}

const note = (db, note) => db.insert(orders).values({ note });
const value = async (db, query) => Object.values((await db.execute(query)).rows[0])[0];

const checks = {
  async connect(db) {
    assert.equal(await value(db, sql`SELECT current_setting('application_name')`), 'driver');
    if (TLS) await assert.rejects(open(1, OTHER_CA).execute(sql`SELECT 1`), (error) => /certificate/.test(error.cause.message));
  },

  async types(db) {
    for (const [type, given] of [
      ['bool', true],
      ['int8', '9223372036854775807'],
      ['float8', 0.1],
      ['numeric', '12345678901234567890.123456789'],
      ['text', "it's \\ ü €\n"],
      ['text', null],
      ['bytea', Buffer.from([0, 255, 39, 92])],
      ['timestamptz', '2026-02-28 12:00:00.123+00'],
      ['uuid', '01234567-89ab-cdef-0123-456789abcdef'],
      ['int[]', [1, null, 3]],
    ]) {
      const found = await value(db, sql`SELECT ${sql.param(given)}::${sql.raw(type)}`);
      if (type === 'timestamptz') assert.equal(new Date(found).getTime(), new Date(given).getTime());
      else assert.deepEqual(found, given);
    }
  },

  async ddl(db) {
    await db.execute(sql`CREATE TABLE driver_ddl (id int)`);
    await db.execute(sql`DROP TABLE driver_ddl`);
  },

  async listen(db) {
    await db.execute(sql`LISTEN driver`);
    await db.execute(sql`UNLISTEN driver`);
  },

  async zone(db) {
    assert.deepEqual(await db.selectDistinct({ tenant: orders.tenant }).from(orders), [{ tenant: 'acme' }]);
    assert.equal(await db.$count(orders, eq(orders.tenant, 'globex')), 0);
    assert.deepEqual(await note(db, 'driver insert').returning({ tenant: orders.tenant }), [{ tenant: 'acme' }]);
    const changed = db.update(orders).set({ note: 'driver update' }).where(eq(orders.note, 'driver insert'));
    assert.equal((await changed).rowCount, 1);
  },

  async prepared(db) {
    const tenant = db.select({ tenant: sql`${orders.tenant} || ${sql.placeholder('n')}::text` }).from(orders).limit(1).prepare('tenant');
    const byNote = db.select().from(orders).where(eq(orders.note, sql.placeholder('note'))).prepare('by_note');
    for (let number = 0; number < EXECUTIONS / 2; number++) {
      assert.deepEqual(await tenant.execute({ n: number }), [{ tenant: `acme${number}` }]);
      assert.deepEqual(await byNote.execute({ note: 'anvil' }), [{ id: 1, tenant: 'acme', note: 'anvil' }]);
    }
  },

  async savepoints(db) {
    await db.transaction(async (tx) => {
      await note(tx, 'driver before');
      const undone = tx.transaction(async (inner) => {
        await note(inner, 'driver undone');
        inner.rollback();
      });
      await assert.rejects(undone, /Rollback/);
      await note(tx, 'driver after');
      await tx.transaction((inner) => note(inner, 'driver released'));
    });
    const lost = db.transaction(async (tx) => {
      await note(tx, 'driver rollback');
      tx.rollback();
    });
    await assert.rejects(lost, /Rollback/);
    await db.transaction(async (tx) => {
      await failsWith('22012', tx.transaction((inner) => inner.execute(sql`SELECT 1 / ${0}::int`)));
      await note(tx, 'driver mended');
    }, { isolationLevel: 'repeatable read' });
  },

  async recovery(db) {
    await failsWith('22012', db.execute(sql`SELECT 1 / ${0}::int`));
    await failsWith('42P01', db.execute(sql`SELECT 1 FROM driver_nothing`));
    await failsWith('42601', db.execute(sql`SELEC 1`));
    await failsWith('23505', db.insert(orders).values({ id: 1, note: 'driver lost' }));
    const lost = db.transaction(async (tx) => {
      await note(tx, 'driver lost');
      await failsWith('22012', tx.execute(sql`SELECT 1 / ${0}::int`));
      await tx.execute(sql`SELECT 1`);
    });
    await failsWith('25P02', lost);
    assert.equal(await value(db, sql`SELECT ${2}::int`), 2);
  },

  async settings(db) {
    const zone = () => value(db, sql`SELECT current_setting('TimeZone')`);
    const before = await zone();
    await db.execute(sql`SET TimeZone TO 'Asia/Tokyo'`);
    for (let times = 0; times < 3; times++) assert.equal(await zone(), 'Asia/Tokyo');
    await db.execute(sql`RESET TimeZone`);
    assert.equal(await zone(), before);
    await db.transaction(async (tx) => {
      assert.equal(await value(tx, sql`SELECT current_setting('transaction_isolation')`), 'serializable');
      await failsWith('25006', note(tx, 'driver lost'));
    }, { isolationLevel: 'serializable', accessMode: 'read only' });
  },

  async concurrent() {
    const db = open(CLIENTS);
    await together(async (number, arrive) => {
      // Everybody waits in a transaction only where everybody can have one: the barrier is before it.
      await arrive();
      for (let round = 0; round < ROUNDS; round++) {
        await db.transaction(async (tx) => {
          await note(tx, 'driver concurrent');
          assert.equal(await value(tx, sql`SELECT ${number}::int + ${round}::int`), number + round);
        });
      }
    });
    await db.$client.end();
  },
};

main(async () => {
  const db = open();
  await run(checks, db);
  await db.$client.end();
});
