// Sequelize over node-postgres: SET client_min_messages at connect, SQL with constants in it.
'use strict';

const { DataTypes, Sequelize, Transaction } = require('sequelize');
const { assert, env, TLS, OTHER_CA, ssl, CLIENTS, ROUNDS, EXECUTIONS, failsWith, together, run, main } = require('./checks.js');

function open(max = 1, authority) {
  const db = new Sequelize(env.PGDATABASE, env.PGUSER, env.PGPASSWORD, {
    dialect: 'postgres',
    host: env.PGHOST,
    port: env.PGPORT,
    logging: false,
    timezone: '+01:00',
    pool: { max },
    dialectOptions: { application_name: 'driver', ssl: ssl(authority), statement_timeout: 60000 },
  });
  const Order = db.define('order', {
    id: { type: DataTypes.BIGINT, primaryKey: true, autoIncrement: true },
    tenant: { type: DataTypes.TEXT, field: 'tenant_id' },
    note: DataTypes.TEXT,
  }, { tableName: 'orders', timestamps: false });
  return { db, Order };
}

const value = async (db, sql, bind, transaction) => Object.values((await db.query(sql, { bind, transaction }))[0][0])[0];

const checks = {
  async connect({ db }) {
    await db.authenticate();
    assert.equal(await value(db, "SELECT current_setting('application_name')"), 'driver');
    assert.equal(await value(db, "SELECT current_setting('client_min_messages')"), 'warning');
    if (TLS) await assert.rejects(open(1, OTHER_CA).db.authenticate(), /certificate/);
  },

  async types({ db }) {
    for (const [type, given] of [
      ['bool', true],
      ['int8', '9223372036854775807'],
      ['float8', 0.1],
      ['numeric', '12345678901234567890.123456789'],
      ['text', "it's \\ ü €\n"],
      ['text', null],
      ['bytea', Buffer.from([0, 255, 39, 92])],
      ['timestamptz', new Date('2026-02-28T12:00:00.123Z')],
      ['uuid', '01234567-89ab-cdef-0123-456789abcdef'],
      ['jsonb', { a: [1, null, 'ü'] }],
      ['int[]', [1, 2, 3]],
    ]) {
      assert.deepEqual(await value(db, `SELECT $1::${type}`, [given]), given);
    }
    const [[row]] = await db.query('SELECT :text AS text', { replacements: { text: "it's \\ ü €\n" } });
    assert.equal(row.text, "it's \\ ü €\n");
  },

  async ddl({ db }) {
    await db.getQueryInterface().createTable('driver_ddl', { id: DataTypes.INTEGER });
    await db.getQueryInterface().dropTable('driver_ddl');
  },

  async listen({ db }) {
    await db.query('LISTEN driver');
    await db.query('UNLISTEN driver');
  },

  async zone({ Order }) {
    assert.deepEqual((await Order.findAll({ attributes: ['tenant'], group: 'tenant' })).map((order) => order.tenant), ['acme']);
    assert.equal(await Order.count({ where: { tenant: 'globex' } }), 0);
    const order = await Order.create({ note: 'driver insert' });
    assert.equal(order.tenant, 'acme');
    await order.update({ note: 'driver update' });
  },

  // By SQL in the text: it gives the names of node-postgres to nobody.
  async prepared({ db }) {
    for (let number = 0; number < EXECUTIONS / 2; number++) {
      assert.equal(await value(db, 'SELECT $1::int * 2', [number]), number * 2);
      assert.equal(await value(db, 'SELECT tenant_id || $1::text FROM orders LIMIT 1', [number]), `acme${number}`);
    }
  },

  async savepoints({ db, Order }) {
    const undo = new Error('undo');
    const note = (text, transaction) => Order.create({ note: text }, { transaction });
    await db.transaction(async (transaction) => {
      await note('driver before', transaction);
      const undone = db.transaction({ transaction }, async (inner) => {
        await note('driver undone', inner);
        throw undo;
      });
      await assert.rejects(undone, undo);
      await note('driver after', transaction);
      await db.transaction({ transaction }, (inner) => note('driver released', inner));
    });
    const lost = db.transaction(async (transaction) => {
      await note('driver rollback', transaction);
      throw undo;
    });
    await assert.rejects(lost, undo);
    await db.transaction({ isolationLevel: Transaction.ISOLATION_LEVELS.REPEATABLE_READ }, async (transaction) => {
      await failsWith('22012', db.transaction({ transaction }, (inner) => value(db, 'SELECT 1 / $1::int', [0], inner)));
      await note('driver mended', transaction);
    });
  },

  async recovery({ db, Order }) {
    await failsWith('22012', value(db, 'SELECT 1 / $1::int', [0]));
    await failsWith('42P01', db.query('SELECT 1 FROM driver_nothing'));
    await failsWith('42601', db.query('SELEC 1'));
    await failsWith('23505', Order.create({ id: 1, note: 'driver lost' }));
    const lost = db.transaction(async (transaction) => {
      await Order.create({ note: 'driver lost' }, { transaction });
      await failsWith('22012', value(db, 'SELECT 1 / $1::int', [0], transaction));
      await value(db, 'SELECT 1', [], transaction);
    });
    await failsWith('25P02', lost);
    assert.equal(await value(db, 'SELECT $1::int', [2]), 2);
  },

  async settings({ db }) {
    const zone = () => value(db, "SELECT current_setting('TimeZone')");
    const before = await zone();
    await db.query("SET TimeZone TO 'Asia/Tokyo'");
    for (let times = 0; times < 3; times++) assert.equal(await zone(), 'Asia/Tokyo');
    await db.query(`SET TimeZone TO '${before}'`);
    assert.equal(await zone(), before);
    assert.equal(await value(db, "SELECT current_setting('statement_timeout')"), '1min');
    await db.transaction({ isolationLevel: Transaction.ISOLATION_LEVELS.SERIALIZABLE }, async (transaction) => {
      assert.equal(await value(db, "SELECT current_setting('transaction_isolation')", [], transaction), 'serializable');
    });
  },

  async batch({ Order }) {
    const made = await Order.bulkCreate(Array.from({ length: 500 }, () => ({ note: 'driver batch' })), { returning: true });
    assert.deepEqual([...new Set(made.map((order) => order.tenant))], ['acme']);
    const [order, created] = await Order.findCreateFind({ where: { note: 'driver found' } });
    assert.ok(created && order.id);
  },

  // It makes a function in pg_temp for this, also where there is ON CONFLICT.
  async 'find-or-create'({ Order }) {
    const [order] = await Order.findOrCreate({ where: { note: 'driver sought' } });
    await order.destroy();
  },

  async concurrent() {
    const { db, Order } = open(CLIENTS);
    await together(async (number, arrive) => {
      await arrive();
      for (let round = 0; round < ROUNDS; round++) {
        await db.transaction(async (transaction) => {
          await Order.create({ note: 'driver concurrent' }, { transaction });
          assert.equal(await value(db, 'SELECT $1::int + $2::int', [number, round], transaction), number + round);
        });
      }
    });
    await db.close();
  },
};

main(async () => {
  const shop = open();
  await run(checks, shop);
  await shop.db.close();
});
