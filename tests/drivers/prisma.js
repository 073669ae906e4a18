// The Prisma client with its adapter for node-postgres: since version 7 there is no other engine.
'use strict';

const { PrismaPg } = require('@prisma/adapter-pg');
const { PrismaClient, Prisma } = require('portcullis-prisma');
const { assert, env, TLS, OTHER_CA, ssl, CLIENTS, ROUNDS, EXECUTIONS, failsWith, together, run, main } = require('./checks.js');

function open(max = 1, authority) {
  const adapter = new PrismaPg(
    { host: env.PGHOST, port: Number(env.PGPORT), application_name: 'driver', max, ssl: ssl(authority) },
    { statementNameGenerator: ({ sql }) => `p${require('node:crypto').createHash('md5').update(sql).digest('hex')}` },
  );
  return new PrismaClient({ adapter });
}

const value = async (db, query) => Object.values((await db.$queryRaw(query))[0])[0];

const checks = {
  async connect(db) {
    await db.$connect();
    assert.equal(await value(db, Prisma.sql`SELECT current_setting('application_name')`), 'driver');
    if (TLS) await assert.rejects(open(1, OTHER_CA).$queryRaw`SELECT 1`, /certificate|TLS/);
  },

  async types(db) {
    for (const [type, given] of [
      ['bool', true],
      ['int4', -32768],
      ['int8', 9223372036854775807n],
      ['float8', 0.1],
      ['text', "it's \\ ü €\n"],
      ['text', null],
      ['timestamptz', new Date('2026-02-28T12:00:00.123Z')],
      ['uuid', '01234567-89ab-cdef-0123-456789abcdef'],
      ['jsonb', { a: [1, null, 'ü'] }],
      ['int[]', [1, 2, 3]],
    ]) {
      assert.deepEqual(await value(db, Prisma.sql`SELECT ${given}::${Prisma.raw(type)}`), given);
    }
    const numeric = new Prisma.Decimal('12345678901234567890.123456789');
    assert.ok((await value(db, Prisma.sql`SELECT ${numeric}::numeric`)).equals(numeric));
    const bytes = Uint8Array.from([0, 255, 39, 92]);
    assert.deepEqual(Uint8Array.from(await value(db, Prisma.sql`SELECT ${bytes}::bytea`)), bytes);
  },

  async ddl(db) {
    await db.$executeRaw`CREATE TABLE driver_ddl (id int)`;
    await db.$executeRaw`DROP TABLE driver_ddl`;
  },

  async listen(db) {
    await db.$executeRaw`LISTEN driver`;
    await db.$executeRaw`UNLISTEN driver`;
  },

  async zone(db) {
    assert.deepEqual(await db.order.findMany({ distinct: 'tenant', select: { tenant: true } }), [{ tenant: 'acme' }]);
    assert.equal(await db.order.count({ where: { tenant: 'globex' } }), 0);
    const order = await db.order.create({ data: { note: 'driver insert' } });
    assert.equal(order.tenant, 'acme');
    await db.order.update({ where: { id: order.id }, data: { note: 'driver update' } });
  },

  async prepared(db) {
    for (let number = 0; number < EXECUTIONS / 2; number++) {
      assert.equal(await value(db, Prisma.sql`SELECT ${number}::int * 2`), number * 2);
      assert.equal((await db.order.findFirst({ where: { note: 'anvil' } })).tenant, 'acme');
    }
  },

  async savepoints(db) {
    const note = (tx, text) => tx.order.create({ data: { note: text } });
    await db.$transaction(async (tx) => {
      await note(tx, 'driver before');
      await tx.$executeRaw`SAVEPOINT a`;
      await note(tx, 'driver undone');
      await tx.$executeRaw`ROLLBACK TO a`;
      await note(tx, 'driver after');
      await tx.$executeRaw`SAVEPOINT b`;
      await note(tx, 'driver released');
      await tx.$executeRaw`RELEASE b`;
    });
    const lost = db.$transaction(async (tx) => {
      await note(tx, 'driver rollback');
      throw new Error('undo');
    });
    await assert.rejects(lost, /undo/);
    await db.$transaction(async (tx) => {
      await tx.$executeRaw`SAVEPOINT c`;
      await failsWith('22012', tx.$queryRaw`SELECT 1 / ${0}::int`);
      await tx.$executeRaw`ROLLBACK TO c`;
      await note(tx, 'driver mended');
    }, { isolationLevel: 'RepeatableRead' });
  },

  async recovery(db) {
    await failsWith('22012', db.$queryRaw`SELECT 1 / ${0}::int`);
    await failsWith('42P01', db.$queryRaw`SELECT 1 FROM driver_nothing`);
    await failsWith('42601', db.$queryRaw`SELEC 1`);
    await failsWith('23505', db.order.create({ data: { id: 1n, note: 'driver lost' } }));
    const lost = db.$transaction(async (tx) => {
      await tx.order.create({ data: { note: 'driver lost' } });
      await failsWith('22012', tx.$queryRaw`SELECT 1 / ${0}::int`);
      await tx.$queryRaw`SELECT 1`;
    });
    await failsWith('25P02', lost);
    assert.equal(await value(db, Prisma.sql`SELECT ${2}::int`), 2);
  },

  async settings(db) {
    const zone = () => value(db, Prisma.sql`SELECT current_setting('TimeZone')`);
    const before = await zone();
    await db.$executeRaw`SET TimeZone TO 'Asia/Tokyo'`;
    for (let times = 0; times < 3; times++) assert.equal(await zone(), 'Asia/Tokyo');
    await db.$executeRaw`RESET TimeZone`;
    assert.equal(await zone(), before);
    await db.$transaction(async (tx) => {
      assert.equal(await value(tx, Prisma.sql`SELECT current_setting('transaction_isolation')`), 'serializable');
    }, { isolationLevel: 'Serializable' });
  },

  async batch(db) {
    const { count } = await db.order.createMany({ data: Array.from({ length: 500 }, () => ({ note: 'driver batch' })) });
    assert.equal(count, 500);
    const note = (note) => db.order.create({ data: { note } });
    await db.$transaction([note('driver first'), note('driver second')]);
    assert.equal((await db.order.updateMany({ where: { note: 'driver batch' }, data: { note: 'driver updated' } })).count, 500);
  },

  async concurrent() {
    const db = open(CLIENTS);
    await together(async (number, arrive) => {
      await arrive();
      for (let round = 0; round < ROUNDS; round++) {
        await db.$transaction(async (tx) => {
          await tx.order.create({ data: { note: 'driver concurrent' } });
          assert.equal(await value(tx, Prisma.sql`SELECT ${number}::int + ${round}::int`), number + round);
        }, { maxWait: 30000, timeout: 30000 });
      }
    });
    await db.$disconnect();
  },
};

main(async () => {
  const db = open();
  await run(checks, db);
  await db.$disconnect();
});
