//! tokio-postgres. Its ordinary calls name every statement: they need PgBouncer >= 1.21; before
//! that, `query_typed` and the simple protocol.

use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config};

use crate::support::rustls_connect::Connector;
use crate::support::{Login, Pooler, Stack, Version};

use crate::{NEW, OLD, no_table_was_created, stack, through_portcullis};

async fn connect(login: &Login) -> Client {
    let (client, connection) = config(login)
        .connect(Connector::new(&login.sslrootcert))
        .await
        .expect("connect");
    tokio::spawn(connection);
    client
}

fn config(login: &Login) -> Config {
    let mut config = Config::new();
    config
        .host(&login.host)
        .port(login.port)
        .user(&login.user)
        .password(&login.password)
        .dbname(&login.database)
        .ssl_mode(tokio_postgres::config::SslMode::Require);
    config
}

fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(60), test)
            .await
            .expect("done in time")
    });
}

#[track_caller]
fn sqlstate<T>(outcome: Result<T, tokio_postgres::Error>) -> String {
    let Err(error) = outcome else {
        panic!("succeeded")
    };
    error
        .code()
        .unwrap_or_else(|| panic!("not from the server: {error}"))
        .code()
        .to_owned()
}

/// What works in both ways of preparing.
async fn common(client: &mut Client) {
    let transaction = client.transaction().await.expect("begin");
    let insert = "INSERT INTO orders (note) VALUES ('driver commit')";
    transaction.batch_execute(insert).await.expect("insert");
    transaction.commit().await.expect("commit");
    let transaction = client.transaction().await.expect("begin");
    transaction
        .batch_execute("INSERT INTO orders (note) VALUES ('driver lost')")
        .await
        .expect("insert");
    assert_eq!(
        sqlstate(transaction.batch_execute("SELECT 1/0").await),
        "22012"
    );
    assert_eq!(
        sqlstate(transaction.batch_execute("SELECT 1").await),
        "25P02"
    );
    transaction.rollback().await.expect("rollback");
    assert_eq!(
        sqlstate(
            client
                .batch_execute("CREATE TABLE driver_ddl (id int)")
                .await
        ),
        "42501"
    );
}

async fn cancel(client: &Client, login: &Login) {
    let connector = Connector::new(&login.sslrootcert);
    let start = Instant::now();
    let stop = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        client.cancel_token().cancel_query(connector).await
    };
    let (outcome, cancelled) = tokio::join!(client.batch_execute("SELECT pg_sleep(30)"), stop);
    cancelled.expect("send the cancel request");
    assert_eq!(sqlstate(outcome), "57014");
    assert!(start.elapsed() < Duration::from_secs(10));
}

fn found_afterwards(stack: &Stack) {
    let notes = "SELECT tenant_id, note FROM orders WHERE note LIKE 'driver%' ORDER BY note";
    assert_eq!(
        stack.direct("shop", notes),
        "acme|driver commit\nacme|driver insert\n"
    );
    no_table_was_created(stack);
}

#[test]
fn tokio_postgres_unnamed() {
    let stack = stack(OLD);
    let login = stack.login("shop_acme", "shop");
    block_on(async {
        let mut client = connect(&login).await;
        common(&mut client).await;
        // It hangs up right behind the request. PgBouncer 1.18 then forgets it, or dies of it.
        if through_portcullis() {
            cancel(&client, &login).await;
        }
        let rows = client
            .query_typed(
                "SELECT tenant_id FROM orders WHERE id > $1",
                &[(&0i64, Type::INT8)],
            )
            .await;
        let rows = rows.expect("select");
        assert!(rows.iter().all(|row| row.get::<_, &str>(0) == "acme"));
        assert_eq!(rows.len(), 4);
        let insert = "INSERT INTO orders (note) VALUES ($1) RETURNING tenant_id";
        let rows = client
            .query_typed(insert, &[(&"driver insert", Type::TEXT)])
            .await
            .expect("insert");
        assert_eq!(rows[0].get::<_, &str>(0), "acme");
        assert_eq!(
            sqlstate(
                client
                    .query_typed("CREATE TABLE driver_ddl (id int)", &[])
                    .await
            ),
            "42501"
        );
    });
    found_afterwards(&stack);
}

#[test]
fn tokio_postgres_prepared() {
    prepared(NEW);
}

#[test]
fn tokio_postgres_prepared_on_an_older_pool() {
    // Which knows nothing of prepared statements by itself.
    if through_portcullis() {
        prepared(OLD);
    }
}

fn prepared(versions: (Version, Pooler)) {
    let stack = stack(versions);
    let login = stack.login("shop_acme", "shop");
    block_on(async {
        let mut client = connect(&login).await;
        common(&mut client).await;
        cancel(&client, &login).await;
        let statement = client
            .prepare("SELECT count(*) FROM orders WHERE tenant_id = $1")
            .await
            .expect("prepare");
        for _ in 0..12 {
            let row = client
                .query_one(&statement, &[&"globex"])
                .await
                .expect("select");
            assert_eq!(row.get::<_, i64>(0), 0);
        }
        let insert = "INSERT INTO orders (note) VALUES ($1) RETURNING tenant_id";
        let row = client
            .query_one(insert, &[&"driver insert"])
            .await
            .expect("insert");
        assert_eq!(row.get::<_, &str>(0), "acme");
        assert_eq!(
            sqlstate(
                client
                    .execute("CREATE TABLE driver_ddl (id int)", &[])
                    .await
            ),
            "42501"
        );
        assert_eq!(
            client
                .query_one("SELECT $1::int", &[&7i32])
                .await
                .expect("select")
                .get::<_, i32>(0),
            7
        );
        copy(&client).await;
    });
    found_afterwards(&stack);
    assert_eq!(
        stack.direct("shop", "SELECT count(*) FROM imports"),
        "1000\n"
    );
}

async fn copy(client: &Client) {
    let sink = client
        .copy_in("COPY imports (id, note) FROM STDIN")
        .await
        .expect("copy in");
    let mut sink = pin!(sink);
    for number in 0..1000 {
        sink.send(Bytes::from(format!("{number}\tdriver copy\n")))
            .await
            .expect("send a row");
    }
    assert_eq!(sink.finish().await.expect("finish"), 1000);
    let rows = client
        .copy_out("COPY (SELECT id FROM imports) TO STDOUT")
        .await
        .expect("copy out");
    assert_eq!(rows.map(|row| row.expect("a row")).count().await, 1000);
}
