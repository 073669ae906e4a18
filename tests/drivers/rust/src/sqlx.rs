//! sqlx and its pool. It has no cancel and no pipelines of its own.

mod checks;

use std::sync::Arc;

use checks::{
    CLIENTS, Checked, Checks, EXECUTIONS, Failure, INSERT, ROUNDS, block_on, same, tls, variable,
};
use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions, PgRow, PgSslMode};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool, Row};
use tokio::sync::Barrier;

fn options(authority: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .host(&variable("PGHOST"))
        .port(variable("PGPORT").parse().expect("a port"))
        .username(&variable("PGUSER"))
        .password(&variable("PGPASSWORD"))
        .database(&variable("PGDATABASE"))
        .application_name("driver")
        .ssl_mode(if tls() {
            PgSslMode::VerifyFull
        } else {
            PgSslMode::Disable
        })
        .ssl_root_cert(authority)
}

fn pool(size: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(size)
        .connect_lazy_with(options(&variable("PGSSLROOTCERT")))
}

fn fails_with<T>(sqlstate: &str, outcome: Result<T, sqlx::Error>) -> Checked {
    match outcome {
        Ok(_) => Err(format!("no error, expected {sqlstate}").into()),
        Err(sqlx::Error::Database(error)) => {
            same(error.code().as_deref().unwrap_or_default(), sqlstate)
        }
        Err(error) => Err(error.into()),
    }
}

fn words(error: &Failure) -> String {
    let server = error
        .downcast_ref::<sqlx::Error>()
        .and_then(sqlx::Error::as_database_error)
        .and_then(|said| said.try_downcast_ref::<sqlx::postgres::PgDatabaseError>());
    let detail = server.and_then(|said| said.detail()).unwrap_or_default();
    format!("{error} {detail}")
}

async fn note(db: &mut PgConnection, note: &str) -> Result<(), sqlx::Error> {
    sqlx::query(INSERT).bind(note).execute(db).await.map(drop)
}

async fn connected(db: &PgPool) -> Checked {
    let name: String = sqlx::query_scalar("SELECT current_setting('application_name')")
        .fetch_one(db)
        .await?;
    same(name, "driver".into())?;
    let other = options(&variable("DRIVER_OTHER_CA"));
    if tls() && PgConnection::connect_with(&other).await.is_ok() {
        return Err("another authority's certificate was accepted".into());
    }
    Ok(())
}

async fn there_and_back<T>(db: &PgPool, kind: &str, given: T) -> Checked
where
    T: for<'q> sqlx::Encode<'q, sqlx::Postgres>
        + for<'r> sqlx::Decode<'r, sqlx::Postgres>
        + sqlx::Type<sqlx::Postgres>
        + PartialEq
        + std::fmt::Debug
        + Clone
        + Send
        + Unpin
        + 'static,
{
    let sql = AssertSqlSafe(format!("SELECT $1::{kind}"));
    let found: T = sqlx::query_scalar(sql)
        .bind(given.clone())
        .fetch_one(db)
        .await?;
    same(found, given)
}

async fn types(db: &PgPool) -> Checked {
    there_and_back(db, "bool", true).await?;
    there_and_back(db, "int2", -32768i16).await?;
    there_and_back(db, "int8", i64::MAX).await?;
    there_and_back(db, "float8", 0.1).await?;
    there_and_back(db, "text", "it's \\ ü €\n".to_owned()).await?;
    there_and_back(db, "text", None::<String>).await?;
    there_and_back(db, "bytea", vec![0u8, 255, 39, 92]).await?;
    there_and_back(db, "int[]", vec![Some(1), None, Some(3)]).await?;
    let texts = vec![Some("a".to_owned()), Some("b,\"c'".to_owned()), None];
    there_and_back(db, "text[]", texts).await?;
    let interval = sqlx::postgres::types::PgInterval {
        months: 1,
        days: 3,
        microseconds: 7_000_000,
    };
    there_and_back(db, "interval", interval).await
}

async fn ddl(db: &PgPool) -> Checked {
    db.execute("CREATE TABLE driver_ddl (id int)").await?;
    db.execute("DROP TABLE driver_ddl").await?;
    Ok(())
}

async fn listen(db: &PgPool) -> Checked {
    let mut listener = PgListener::connect_with(db).await?;
    listener.listen("driver").await?;
    listener.unlisten("driver").await?;
    Ok(())
}

async fn zone(db: &PgPool) -> Checked {
    let tenants: Vec<String> = sqlx::query_scalar("SELECT DISTINCT tenant_id FROM orders")
        .fetch_all(db)
        .await?;
    same(tenants, vec!["acme".to_owned()])?;
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM orders WHERE tenant_id = $1")
        .bind("globex")
        .fetch_one(db)
        .await?;
    same(count, 0)?;
    let tenant: String =
        sqlx::query_scalar("INSERT INTO orders (note) VALUES ($1) RETURNING tenant_id")
            .bind("driver insert")
            .fetch_one(db)
            .await?;
    same(tenant, "acme".into())
}

async fn prepared(db: &PgPool) -> Checked {
    for number in 0..EXECUTIONS / 2 {
        let twice: i32 = sqlx::query_scalar("SELECT $1::int * 2")
            .bind(number)
            .fetch_one(db)
            .await?;
        same(twice, number * 2)?;
        let tenant: String = sqlx::query_scalar("SELECT tenant_id || $1 FROM orders LIMIT 1")
            .bind(number.to_string())
            .fetch_one(db)
            .await?;
        same(tenant, format!("acme{number}"))?;
    }
    Ok(())
}

async fn savepoints(db: &PgPool) -> Checked {
    let mut transaction = db.begin().await?;
    note(&mut transaction, "driver before").await?;
    let mut undone = transaction.begin().await?;
    note(&mut undone, "driver undone").await?;
    undone.rollback().await?;
    note(&mut transaction, "driver after").await?;
    let mut released = transaction.begin().await?;
    note(&mut released, "driver released").await?;
    released.commit().await?;
    transaction.commit().await?;

    let mut lost = db.begin().await?;
    note(&mut lost, "driver rollback").await?;
    // It is rolled back when it is dropped.
    drop(lost);

    let mut transaction = db.begin().await?;
    let mut failed = transaction.begin().await?;
    let divided = sqlx::query("SELECT 1 / $1::int")
        .bind(0)
        .execute(&mut *failed)
        .await;
    fails_with("22012", divided)?;
    failed.rollback().await?;
    note(&mut transaction, "driver mended").await?;
    transaction.commit().await?;
    Ok(())
}

async fn recovery(db: &PgPool) -> Checked {
    let divide = || sqlx::query("SELECT 1 / $1::int").bind(0);
    fails_with("22012", divide().execute(db).await)?;
    fails_with(
        "42P01",
        sqlx::query("SELECT 1 FROM driver_nothing")
            .execute(db)
            .await,
    )?;
    fails_with("42601", db.execute("SELEC 1").await)?;
    let taken = sqlx::query("INSERT INTO orders (id, note) VALUES (1, $1)").bind("driver lost");
    fails_with("23505", taken.execute(db).await)?;
    let mut transaction = db.begin().await?;
    note(&mut transaction, "driver lost").await?;
    fails_with("22012", divide().execute(&mut *transaction).await)?;
    fails_with("25P02", transaction.execute("SELECT 1").await)?;
    transaction.rollback().await?;
    let two: i32 = sqlx::query_scalar("SELECT $1::int")
        .bind(2)
        .fetch_one(db)
        .await?;
    same(two, 2)
}

async fn time_zone(db: &mut PgConnection) -> Result<String, sqlx::Error> {
    sqlx::query_scalar("SELECT current_setting('TimeZone')")
        .fetch_one(db)
        .await
}

async fn settings(db: &PgPool) -> Checked {
    let mut db = db.acquire().await?;
    let before = time_zone(&mut db).await?;
    db.execute("SET TimeZone TO 'Asia/Tokyo'").await?;
    for _ in 0..3 {
        same(time_zone(&mut db).await?, "Asia/Tokyo".into())?;
    }
    let mut transaction = db.begin().await?;
    transaction
        .execute("SET TimeZone TO 'Asia/Tbilisi'")
        .await?;
    same(time_zone(&mut transaction).await?, "Asia/Tbilisi".into())?;
    transaction.rollback().await?;
    same(time_zone(&mut db).await?, "Asia/Tokyo".into())?;
    db.execute("RESET TimeZone").await?;
    same(time_zone(&mut db).await?, before)
}

async fn copy(db: &PgPool) -> Checked {
    let mut db = db.acquire().await?;
    let mut sink = db.copy_in_raw("COPY imports (id, note) FROM STDIN").await?;
    for number in 0..1000 {
        sink.send(format!("{number}\tdriver copy\n").into_bytes())
            .await?;
    }
    same(sink.finish().await?, 1000)?;
    let mut rows = db
        .copy_out_raw("COPY (SELECT id FROM imports) TO STDOUT")
        .await?;
    let mut count = 0;
    while let Some(rows) = rows.try_next().await? {
        count += rows.iter().filter(|byte| **byte == b'\n').count();
    }
    same(count, 1000)
}

/// Rows one by one; the first few of a result, and the rest thrown away.
async fn cursor(db: &PgPool) -> Checked {
    let sql = "SELECT generate_series(1, 1000)";
    let rows: Vec<PgRow> = sqlx::query(sql).fetch(db).try_collect().await?;
    same(rows.len(), 1000)?;
    let mut db = db.acquire().await?;
    {
        let mut rows = sqlx::query(sql).fetch(&mut *db);
        for expected in 1..10 {
            let row = rows.try_next().await?.ok_or("no row")?;
            same(row.get::<i32, _>(0), expected)?;
        }
    }
    let one: i32 = sqlx::query_scalar("SELECT 1").fetch_one(&mut *db).await?;
    same(one, 1)
}

async fn one_of_many(number: i32, db: &PgPool, barrier: Arc<Barrier>) -> Checked {
    let mut db = db.acquire().await?;
    barrier.wait().await;
    for round in 0..ROUNDS {
        let mut transaction = db.begin().await?;
        note(&mut transaction, "driver concurrent").await?;
        let sum: i32 = sqlx::query_scalar("SELECT $1::int + $2::int")
            .bind(number)
            .bind(round)
            .fetch_one(&mut *transaction)
            .await?;
        same(sum, number + round)?;
        transaction.commit().await?;
    }
    Ok(())
}

async fn concurrent() -> Checked {
    let db = pool(CLIENTS as u32);
    let barrier = Arc::new(Barrier::new(CLIENTS as usize));
    try_join_all((0..CLIENTS).map(|number| one_of_many(number, &db, barrier.clone()))).await?;
    db.close().await;
    Ok(())
}

fn main() {
    block_on(async {
        let mut checks = Checks {
            failed: false,
            words,
        };
        let db = pool(1);
        checks.run("connect", Box::pin(connected(&db))).await;
        checks.run("types", Box::pin(types(&db))).await;
        checks.run("ddl", Box::pin(ddl(&db))).await;
        checks.run("listen", Box::pin(listen(&db))).await;
        checks.run("zone", Box::pin(zone(&db))).await;
        checks.run("prepared", Box::pin(prepared(&db))).await;
        checks.run("savepoints", Box::pin(savepoints(&db))).await;
        checks.run("recovery", Box::pin(recovery(&db))).await;
        checks.run("settings", Box::pin(settings(&db))).await;
        checks.run("copy", Box::pin(copy(&db))).await;
        checks.run("cursor", Box::pin(cursor(&db))).await;
        checks.run("concurrent", Box::pin(concurrent())).await;
        checks.finish()
    });
}
