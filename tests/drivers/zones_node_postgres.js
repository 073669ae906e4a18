// node-postgres: the ways in which services say for which tenant they work.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { Client } = require('pg');

const env = process.env;
const SEEN = 'SELECT DISTINCT tenant_id FROM orders';

async function connected(more) {
  const ssl = { ca: fs.readFileSync(env.PGSSLROOTCERT), rejectUnauthorized: true };
  const db = new Client({ host: env.PGHOST, port: env.PGPORT, ssl, ...more });
  await db.connect();
  return db;
}

async function seen(db, zone) {
  assert.deepEqual((await db.query(SEEN)).rows, [{ tenant_id: zone }]);
  assert.deepEqual((await db.query({ name: 'seen', text: `${SEEN} WHERE $1`, values: [true] })).rows, [{ tenant_id: zone }]);
}

const refused = (promise, guard) => assert.rejects(promise, (error) => error.code === '42501' && error.routine === guard);

const checks = {
  async options() {
    const db = await connected({ options: '-c statement_timeout=30s -c app.tenant_id=globex' });
    await seen(db, 'globex');
    await db.end();
    await refused(connected({ options: '-c app.tenant_id=*' }), 'zone-not-granted');
  },

  async session() {
    const db = await connected();
    await refused(db.query(SEEN), 'zone-required');
    await db.query("SELECT set_config('app.tenant_id','acme',false)");
    await seen(db, 'acme');
    await refused(db.query("SELECT set_config('app.tenant_id','*',false)"), 'zone-not-granted');
    await seen(db, 'acme');
    const bound = 'SELECT set_config($1,$2,false)';
    await db.query(bound, ['app.tenant_id', 'globex']);
    await seen(db, 'globex');
    await refused(db.query(bound, ['app.tenant_id', '*']), 'zone-not-granted');
    await seen(db, 'globex');
    await db.end();
  },

  async request() {
    const db = await connected();
    for (const zone of ['acme', 'globex', 'acme']) {
      await db.query('BEGIN');
      await db.query("SELECT set_config('app.tenant_id',$1,true)", [zone]);
      await seen(db, zone);
      await db.query('COMMIT');
      await db.query('BEGIN');
      await db.query('SELECT set_config($1,$2,true)', ['app.tenant_id', zone]);
      await seen(db, zone);
      await db.query('ROLLBACK');
    }
    for (const values of [['app.tenant_id', '*'], ['app.tenant_id', 'hooli']]) {
      await db.query('BEGIN');
      await refused(db.query('SELECT set_config($1,$2,true)', values), 'zone-not-granted');
      await db.query('ROLLBACK');
    }
    await refused(db.query(SEEN), 'zone-required');
    await db.end();
  },
};

(async () => {
  for (const [name, check] of Object.entries(checks)) {
    await check();
    console.log(`ok ${name}`);
  }
})().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
