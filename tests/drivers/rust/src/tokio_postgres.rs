//! tokio-postgres.

mod checks;
mod connector;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use checks::{
    CLIENTS, Checked, Checks, EXECUTIONS, Failure, INSERT, ROUNDS, block_on, same, tls, variable,
};
use connector::Connector;
use futures_util::future::{join_all, try_join_all};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::Barrier;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls};

async fn connect(authority: &str) -> Result<Client, tokio_postgres::Error> {
    let mut config = Config::new();
    config
        .host(variable("PGHOST"))
        .port(variable("PGPORT").parse().expect("a port"))
        .user(variable("PGUSER"))
        .password(variable("PGPASSWORD"))
        .dbname(variable("PGDATABASE"))
        .application_name("driver");
    if tls() {
        config.ssl_mode(tokio_postgres::config::SslMode::Require);
        let (client, connection) = config.connect(Connector::new(authority)).await?;
        tokio::spawn(connection);
        return Ok(client);
    }
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn own() -> Result<Client, tokio_postgres::Error> {
    connect(&variable("PGSSLROOTCERT")).await
}

#[track_caller]
fn fails_with<T>(sqlstate: &str, outcome: Result<T, tokio_postgres::Error>) -> Checked {
    let Err(error) = outcome else {
        return Err(format!("no error, expected {sqlstate}").into());
    };
    match error.code() {
        Some(code) => same(code.code(), sqlstate),
        None => Err(error.into()),
    }
}

fn words(error: &Failure) -> String {
    let server = error
        .downcast_ref::<tokio_postgres::Error>()
        .and_then(tokio_postgres::Error::as_db_error);
    match server {
        Some(said) => format!("{error:?} {}", said.detail().unwrap_or_default()),
        None => format!("{error:?} {error}"),
    }
}

async fn connected(db: &Client) -> Checked {
    let row = db
        .query_one("SELECT current_setting('application_name')", &[])
        .await?;
    same(row.get::<_, &str>(0), "driver")?;
    if tls() && connect(&variable("DRIVER_OTHER_CA")).await.is_ok() {
        return Err("another authority's certificate was accepted".into());
    }
    Ok(())
}

async fn there_and_back<T>(db: &Client, kind: &str, given: T) -> Checked
where
    T: ToSql + Sync + PartialEq + std::fmt::Debug + for<'a> tokio_postgres::types::FromSql<'a>,
{
    let row = db
        .query_one(&format!("SELECT $1::{kind}"), &[&given])
        .await?;
    same(row.get::<_, T>(0), given)
}

async fn types(db: &Client) -> Checked {
    there_and_back(db, "bool", true).await?;
    there_and_back(db, "int2", -32768i16).await?;
    there_and_back(db, "int8", i64::MAX).await?;
    there_and_back(db, "float8", 0.1).await?;
    there_and_back(db, "text", "it's \\ ü €\n".to_owned()).await?;
    there_and_back(db, "text", None::<String>).await?;
    there_and_back(db, "bytea", vec![0u8, 255, 39, 92]).await?;
    let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_772_280_000_123_456);
    there_and_back(db, "timestamptz", time).await?;
    there_and_back(db, "int[]", vec![Some(1), None, Some(3)]).await?;
    there_and_back(
        db,
        "text[]",
        vec![Some("a".to_owned()), Some("b,\"c'".to_owned()), None],
    )
    .await?;
    // It asks the catalogs for types that it does not know.
    let row = db
        .query_one(
            "SELECT '[1,5)'::int4range::text, 'd'::information_schema.sql_identifier",
            &[],
        )
        .await?;
    same(row.get::<_, &str>(0), "[1,5)")
}

async fn execute(db: &Client, statements: &[&str]) -> Checked {
    for statement in statements {
        db.execute(*statement, &[]).await?;
    }
    Ok(())
}

async fn zone(db: &Client) -> Checked {
    let rows = db
        .query("SELECT DISTINCT tenant_id FROM orders", &[])
        .await?;
    same(
        rows.iter()
            .map(|row| row.get::<_, &str>(0))
            .collect::<Vec<_>>(),
        vec!["acme"],
    )?;
    let count = "SELECT count(*) FROM orders WHERE tenant_id = $1";
    same(db.query_one(count, &[&"globex"]).await?.get::<_, i64>(0), 0)?;
    let insert = format!("{INSERT} RETURNING tenant_id");
    same(
        db.query_one(&insert, &[&"driver insert"])
            .await?
            .get::<_, &str>(0),
        "acme",
    )
}

async fn prepared(db: &Client) -> Checked {
    let twice = db.prepare("SELECT $1::int * 2").await?;
    let tenant = db
        .prepare("SELECT tenant_id || $1 FROM orders LIMIT 1")
        .await?;
    for number in 0..EXECUTIONS / 2 {
        same(
            db.query_one(&twice, &[&number]).await?.get::<_, i32>(0),
            number * 2,
        )?;
        let row = db.query_one(&tenant, &[&number.to_string()]).await?;
        same(row.get::<_, String>(0), format!("acme{number}"))?;
    }
    Ok(())
}

/// Parse without a name, Bind and Execute in one message each.
async fn unnamed(db: &Client) -> Checked {
    for number in 0..10i32 {
        let rows = db
            .query_typed("SELECT $1 * 2", &[(&number, Type::INT4)])
            .await?;
        same(rows[0].get::<_, i32>(0), number * 2)?;
    }
    Ok(())
}

async fn savepoints(db: &mut Client) -> Checked {
    let mut transaction = db.transaction().await?;
    transaction.execute(INSERT, &[&"driver before"]).await?;
    let undone = transaction.transaction().await?;
    undone.execute(INSERT, &[&"driver undone"]).await?;
    undone.rollback().await?;
    transaction.execute(INSERT, &[&"driver after"]).await?;
    let released = transaction.savepoint("b").await?;
    released.execute(INSERT, &[&"driver released"]).await?;
    released.commit().await?;
    transaction.commit().await?;

    let lost = db.transaction().await?;
    lost.execute(INSERT, &[&"driver rollback"]).await?;
    // It is rolled back when it is dropped, and nobody waits for that.
    drop(lost);

    let isolation = tokio_postgres::IsolationLevel::Serializable;
    let mut transaction = db
        .build_transaction()
        .isolation_level(isolation)
        .start()
        .await?;
    let failed = transaction.transaction().await?;
    fails_with("22012", failed.query("SELECT 1 / $1::int", &[&0]).await)?;
    failed.rollback().await?;
    transaction.execute(INSERT, &[&"driver mended"]).await?;
    transaction.commit().await?;
    Ok(())
}

async fn recovery(db: &mut Client) -> Checked {
    fails_with("22012", db.query("SELECT 1 / $1::int", &[&0]).await)?;
    fails_with("42P01", db.query("SELECT 1 FROM driver_nothing", &[]).await)?;
    fails_with("42601", db.batch_execute("SELEC 1").await)?;
    let taken = "INSERT INTO orders (id, note) VALUES (1, $1)";
    fails_with("23505", db.execute(taken, &[&"driver lost"]).await)?;
    let transaction = db.transaction().await?;
    transaction.execute(INSERT, &[&"driver lost"]).await?;
    fails_with(
        "22012",
        transaction.query("SELECT 1 / $1::int", &[&0]).await,
    )?;
    fails_with("25P02", transaction.query("SELECT 1", &[]).await)?;
    transaction.rollback().await?;
    same(
        db.query_one("SELECT $1::int", &[&2])
            .await?
            .get::<_, i32>(0),
        2,
    )
}

async fn settings(db: &mut Client) -> Checked {
    let zone = "SELECT current_setting('TimeZone')";
    let before: String = db.query_one(zone, &[]).await?.get(0);
    db.batch_execute("SET TimeZone TO 'Asia/Tokyo'").await?;
    for _ in 0..3 {
        same(
            db.query_one(zone, &[]).await?.get::<_, &str>(0),
            "Asia/Tokyo",
        )?;
    }
    let transaction = db.transaction().await?;
    transaction
        .execute("SET TimeZone TO 'Asia/Tbilisi'", &[])
        .await?;
    same(
        transaction.query_one(zone, &[]).await?.get::<_, &str>(0),
        "Asia/Tbilisi",
    )?;
    transaction.rollback().await?;
    same(
        db.query_one(zone, &[]).await?.get::<_, &str>(0),
        "Asia/Tokyo",
    )?;
    db.batch_execute("RESET TimeZone").await?;
    same(db.query_one(zone, &[]).await?.get::<_, String>(0), before)
}

async fn copy(db: &Client) -> Checked {
    let sink = db.copy_in("COPY imports (id, note) FROM STDIN").await?;
    let mut sink = std::pin::pin!(sink);
    for number in 0..1000 {
        sink.send(Bytes::from(format!("{number}\tdriver copy\n")))
            .await?;
    }
    same(sink.finish().await?, 1000)?;
    let rows = db
        .copy_out("COPY (SELECT id FROM imports) TO STDOUT")
        .await?;
    let mut rows = std::pin::pin!(rows);
    let mut count = 0;
    while let Some(row) = rows.next().await {
        row?;
        count += 1;
    }
    same(count, 1000)
}

async fn cancel() -> Checked {
    let db = own().await?;
    let token = db.cancel_token();
    let sleep = db.batch_execute("SELECT pg_sleep(30)");
    let mut sleep = std::pin::pin!(sleep);
    // The first request may come too early.
    let outcome = loop {
        let pause = Duration::from_millis(300);
        if let Ok(outcome) = tokio::time::timeout(pause, &mut sleep).await {
            break outcome;
        }
        if tls() {
            let connector = Connector::new(&variable("PGSSLROOTCERT"));
            token.cancel_query(connector).await?;
        } else {
            token.cancel_query(NoTls).await?;
        }
    };
    fails_with("57014", outcome)?;
    // The client does not wait until the request is dealt with, and PostgreSQL signals twice: the second signal may
    // find the next statement.
    if let Err(again) = db.batch_execute("SELECT pg_sleep(0.1)").await {
        fails_with::<()>("57014", Err(again))?;
    }
    same(db.query_one("SELECT 1", &[]).await?.get::<_, i32>(0), 1)
}

async fn pipeline(db: &Client) -> Checked {
    let twice = db.prepare("SELECT 100 / $1::int").await?;
    let numbers: Vec<i32> = (-25..25).collect();
    let ahead = numbers.iter().map(|number| {
        let twice = &twice;
        async move { (*number, db.query_one(twice, &[number]).await) }
    });
    for (number, outcome) in join_all(ahead).await {
        if number == 0 {
            fails_with("22012", outcome)?;
        } else {
            same(outcome?.get::<_, i32>(0), 100 / number)?;
        }
    }
    try_join_all((0..50).map(|_| db.execute(INSERT, &[&"driver pipeline"]))).await?;
    Ok(())
}

async fn cursor(db: &mut Client) -> Checked {
    let transaction = db.transaction().await?;
    let portal = transaction
        .bind("SELECT generate_series(1, 1000)", &[])
        .await?;
    let mut count = 0;
    loop {
        let rows = transaction.query_portal(&portal, 300).await?;
        if rows.is_empty() {
            break;
        }
        count += rows.len();
    }
    transaction.commit().await?;
    same(count, 1000)
}

async fn one_of_many(number: i32, barrier: Arc<Barrier>) -> Checked {
    let mut db = own().await?;
    let sum = db.prepare("SELECT $1::int + $2::int").await?;
    barrier.wait().await;
    for round in 0..ROUNDS {
        let transaction = db.transaction().await?;
        transaction.execute(INSERT, &[&"driver concurrent"]).await?;
        let row = transaction.query_one(&sum, &[&number, &round]).await?;
        same(row.get::<_, i32>(0), number + round)?;
        transaction.commit().await?;
    }
    Ok(())
}

async fn concurrent() -> Checked {
    let barrier = Arc::new(Barrier::new(CLIENTS as usize));
    try_join_all((0..CLIENTS).map(|number| one_of_many(number, barrier.clone()))).await?;
    Ok(())
}

fn main() {
    block_on(async {
        let mut checks = Checks {
            failed: false,
            words,
        };
        let mut db = own().await.expect("connect");
        checks.run("connect", Box::pin(connected(&db))).await;
        checks.run("types", Box::pin(types(&db))).await;
        let ddl = &["CREATE TABLE driver_ddl (id int)", "DROP TABLE driver_ddl"];
        checks.run("ddl", Box::pin(execute(&db, ddl))).await;
        let listen = &["LISTEN driver", "UNLISTEN driver"];
        checks.run("listen", Box::pin(execute(&db, listen))).await;
        checks.run("zone", Box::pin(zone(&db))).await;
        checks.run("prepared", Box::pin(prepared(&db))).await;
        checks.run("unnamed", Box::pin(unnamed(&db))).await;
        checks
            .run("savepoints", Box::pin(savepoints(&mut db)))
            .await;
        checks.run("recovery", Box::pin(recovery(&mut db))).await;
        checks.run("settings", Box::pin(settings(&mut db))).await;
        checks.run("copy", Box::pin(copy(&db))).await;
        checks.run("cancel", Box::pin(cancel())).await;
        checks.run("pipeline", Box::pin(pipeline(&db))).await;
        checks.run("cursor", Box::pin(cursor(&mut db))).await;
        checks.run("concurrent", Box::pin(concurrent())).await;
        checks.finish()
    });
}
