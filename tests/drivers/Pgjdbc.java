import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;
import org.postgresql.largeobject.LargeObject;
import org.postgresql.largeobject.LargeObjectManager;

/** pgjdbc. tests/drivers/matrix.rs says what a check of a name does in every language. */
public class Pgjdbc {
    /** Without it: a connection straight to PostgreSQL, which has no certificate here. */
    static final boolean TLS = !System.getenv("PGSSLMODE").equals("disable");
    static final int CLIENTS = 20;
    static final int ROUNDS = 5;
    static final int EXECUTIONS = 200;
    static boolean failed = false;

    interface Check {
        void run(Connection db) throws Exception;
    }

    static Connection connect(String authority) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        properties.setProperty("ApplicationName", "driver");
        properties.setProperty("sslmode", System.getenv("PGSSLMODE"));
        properties.setProperty("sslrootcert", authority);
        String url = "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE");
        return DriverManager.getConnection(url, properties);
    }

    static void check(Connection db, String name, Check check) {
        try {
            check.run(db);
            System.out.println("ok " + name);
        } catch (Throwable error) {
            failed = true;
            System.out.println("not ok " + name + ": " + error);
            error.printStackTrace(System.out);
        }
    }

    static void same(Object found, Object expected) {
        if (!expected.equals(found)) throw new AssertionError("expected " + expected + ", found " + found);
    }

    static void failsWith(String sqlstate, Check check, Connection db) throws Exception {
        try {
            check.run(db);
        } catch (SQLException error) {
            same(error.getSQLState(), sqlstate);
            return;
        }
        throw new AssertionError("no error, expected " + sqlstate);
    }

    static String value(Connection db, String sql, Object... values) throws SQLException {
        try (PreparedStatement statement = db.prepareStatement(sql)) {
            for (int index = 0; index < values.length; index++) statement.setObject(index + 1, values[index]);
            try (ResultSet rows = statement.executeQuery()) {
                rows.next();
                return rows.getString(1);
            }
        }
    }

    static void execute(Connection db, String sql) throws SQLException {
        try (Statement statement = db.createStatement()) {
            statement.execute(sql);
        }
    }

    static void note(Connection db, String note) throws SQLException {
        try (PreparedStatement statement = db.prepareStatement("INSERT INTO orders (note) VALUES (?)")) {
            statement.setString(1, note);
            same(statement.executeUpdate(), 1);
        }
    }

    static void types(Connection db) throws SQLException {
        Object[][] values = {
            {"bool", true},
            {"int4", -32768},
            {"int8", Long.MAX_VALUE},
            {"float8", 0.1},
            {"numeric", new BigDecimal("12345678901234567890.123456789")},
            {"text", "it's \\ ü €\n"},
            {"text", ""},
            {"date", Date.valueOf("2026-02-28")},
            {"uuid", UUID.fromString("01234567-89ab-cdef-0123-456789abcdef")},
        };
        for (Object[] value : values) {
            // From the fifth execution on values are binary.
            try (PreparedStatement statement = db.prepareStatement("SELECT ?::" + value[0])) {
                for (int time = 0; time < 7; time++) {
                    statement.setObject(1, value[1]);
                    try (ResultSet rows = statement.executeQuery()) {
                        rows.next();
                        same(rows.getObject(1), value[1]);
                    }
                }
            }
        }
        OffsetDateTime time = OffsetDateTime.parse("2026-02-28T12:00:00.123456Z");
        byte[] bytes = {0, -1, 39, 92};
        String sql = "SELECT ?::timestamptz, ?::bytea, ?::int[], ?::text";
        try (PreparedStatement statement = db.prepareStatement(sql)) {
            statement.setObject(1, time);
            statement.setBytes(2, bytes);
            statement.setArray(3, db.createArrayOf("int4", new Integer[] {1, null, 3}));
            statement.setString(4, null);
            try (ResultSet rows = statement.executeQuery()) {
                rows.next();
                same(rows.getObject(1, OffsetDateTime.class), time);
                same(Arrays.toString(rows.getBytes(2)), Arrays.toString(bytes));
                same(Arrays.toString((Object[]) rows.getArray(3).getArray()), "[1, null, 3]");
                same(rows.getString(4) == null, true);
            }
        }
    }

    static void prepared(Connection db) throws SQLException {
        String tenant = "SELECT tenant_id || ? FROM orders LIMIT 1";
        try (PreparedStatement twice = db.prepareStatement("SELECT ?::int * 2"); PreparedStatement of = db.prepareStatement(tenant)) {
            for (int number = 0; number < EXECUTIONS / 2; number++) {
                twice.setInt(1, number);
                try (ResultSet rows = twice.executeQuery()) {
                    rows.next();
                    same(rows.getInt(1), number * 2);
                }
                of.setString(1, String.valueOf(number));
                try (ResultSet rows = of.executeQuery()) {
                    rows.next();
                    same(rows.getString(1), "acme" + number);
                }
            }
        }
    }

    static void savepoints(Connection db) throws Exception {
        db.setAutoCommit(false);
        try {
            note(db, "driver before");
            Savepoint undone = db.setSavepoint();
            note(db, "driver undone");
            db.rollback(undone);
            note(db, "driver after");
            Savepoint released = db.setSavepoint("b");
            note(db, "driver released");
            db.releaseSavepoint(released);
            db.commit();
            note(db, "driver rollback");
            db.rollback();
            Savepoint failed = db.setSavepoint();
            failsWith("22012", c -> value(c, "SELECT 1 / ?", 0), db);
            db.rollback(failed);
            note(db, "driver mended");
            db.commit();
        } finally {
            db.rollback();
            db.setAutoCommit(true);
        }
    }

    static void recovery(Connection db) throws Exception {
        failsWith("22012", c -> value(c, "SELECT 1 / ?", 0), db);
        failsWith("42P01", c -> value(c, "SELECT 1 FROM driver_nothing"), db);
        failsWith("42601", c -> value(c, "SELEC 1"), db);
        failsWith("23505", c -> execute(c, "INSERT INTO orders (id, note) VALUES (1, 'driver lost')"), db);
        db.setAutoCommit(false);
        try {
            note(db, "driver lost");
            failsWith("22012", c -> value(c, "SELECT 1 / ?", 0), db);
            failsWith("25P02", c -> value(c, "SELECT 1"), db);
        } finally {
            db.rollback();
            db.setAutoCommit(true);
        }
        same(value(db, "SELECT ?::int", 2), "2");
    }

    static void settings(Connection db) throws Exception {
        String zone = "SELECT current_setting('TimeZone')";
        String before = value(db, zone);
        execute(db, "SET TimeZone TO 'Asia/Tokyo'");
        for (int time = 0; time < 7; time++) same(value(db, zone), "Asia/Tokyo");
        db.setAutoCommit(false);
        execute(db, "SET TimeZone TO 'Asia/Tbilisi'");
        same(value(db, zone), "Asia/Tbilisi");
        db.rollback();
        db.setAutoCommit(true);
        same(value(db, zone), "Asia/Tokyo");
        execute(db, "RESET TimeZone");
        same(value(db, zone), before);
        db.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
        db.setReadOnly(true);
        db.setAutoCommit(false);
        same(value(db, "SELECT current_setting('transaction_isolation')"), "serializable");
        failsWith("25006", c -> execute(c, "INSERT INTO orders (note) VALUES ('driver lost')"), db);
        db.rollback();
        db.setAutoCommit(true);
        db.setReadOnly(false);
        db.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
        same(value(db, "SELECT current_setting('transaction_isolation')"), "read committed");
    }

    static void copy(Connection db) throws Exception {
        copyIn(db);
        copyOut(db);
    }

    static void concurrent() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(CLIENTS);
        CyclicBarrier barrier = new CyclicBarrier(CLIENTS);
        List<Future<Void>> clients = new ArrayList<>();
        for (int client = 0; client < CLIENTS; client++) {
            int number = client;
            clients.add(threads.submit(() -> {
                try (Connection db = connect(System.getenv("PGSSLROOTCERT"))) {
                    barrier.await(60, TimeUnit.SECONDS);
                    db.setAutoCommit(false);
                    for (int round = 0; round < ROUNDS; round++) {
                        note(db, "driver concurrent");
                        same(value(db, "SELECT ?::int + ?::int", number, round), String.valueOf(number + round));
                        db.commit();
                    }
                }
                return null;
            }));
        }
        threads.shutdown();
        for (Future<Void> client : clients) client.get();
    }

    static void copyIn(Connection db) throws Exception {
        StringBuilder rows = new StringBuilder();
        for (int number = 0; number < 1000; number++) rows.append(number).append("\tdriver copy\n");
        CopyManager copy = db.unwrap(PGConnection.class).getCopyAPI();
        same(copy.copyIn("COPY imports (id, note) FROM STDIN", new StringReader(rows.toString())), 1000L);
    }

    static void copyOut(Connection db) throws Exception {
        StringWriter received = new StringWriter();
        CopyManager copy = db.unwrap(PGConnection.class).getCopyAPI();
        copy.copyOut("COPY (SELECT id, note FROM imports ORDER BY id) TO STDOUT", received);
        same(received.toString().lines().count(), 1000L);
    }

    static void cursor(Connection db) throws SQLException {
        db.setAutoCommit(false);
        try (Statement statement = db.createStatement()) {
            statement.setFetchSize(100);
            int count = 0;
            try (ResultSet rows = statement.executeQuery("SELECT generate_series(1, 1000)")) {
                while (rows.next()) count++;
            }
            same(count, 1000);
        }
        db.commit();
        db.setAutoCommit(true);
    }

    /** Sent ahead: many Binds and Executes, one Sync. */
    static void pipeline(Connection db) throws SQLException {
        try (PreparedStatement statement = db.prepareStatement("INSERT INTO imports (id, note) VALUES (?, ?)")) {
            for (int number = 0; number < 500; number++) {
                statement.setInt(1, number);
                statement.setString(2, "driver pipeline");
                statement.addBatch();
            }
            same(statement.executeBatch().length, 500);
        }
    }

    static void cancel(Connection db) throws Exception {
        failsWith("57014", connection -> {
            try (Statement statement = connection.createStatement()) {
                statement.setQueryTimeout(1);
                statement.execute("SELECT pg_sleep(30)");
            }
        }, db);
        same(value(db, "SELECT 1"), "1");
    }

    /** By FunctionCall, several of them larger than a packet. */
    static void largeObjects(Connection db) throws Exception {
        db.setAutoCommit(false);
        try {
            LargeObjectManager manager = db.unwrap(PGConnection.class).getLargeObjectAPI();
            byte[] written = new byte[300_000];
            for (int at = 0; at < written.length; at++) written[at] = (byte) (at * 31);
            long number = manager.createLO(LargeObjectManager.READWRITE);
            LargeObject object = manager.open(number, LargeObjectManager.READWRITE);
            object.write(written);
            same(object.tell(), written.length);
            object.seek64(100, LargeObject.SEEK_SET);
            byte[] read = object.read(1000);
            for (int at = 0; at < read.length; at++) same(read[at], written[100 + at]);
            object.truncate64(500);
            same(object.size64(), 500L);
            object.close();
            // The zone is there beside it, and a call that fails is PostgreSQL's own error.
            same(value(db, "SELECT string_agg(DISTINCT tenant_id, ',') FROM orders"), "acme");
            manager.delete(number);
            db.commit();
            failsWith("42704", c -> manager.open(number, LargeObjectManager.READ), db);
            db.rollback();
            same(value(db, "SELECT count(*) FROM pg_largeobject_metadata"), "0");
        } finally {
            db.rollback();
            db.setAutoCommit(true);
        }
    }

    static void connected(Connection db) throws Exception {
        same(value(db, "SELECT current_setting('application_name')"), "driver");
        if (!TLS) return;
        try (Connection other = connect(System.getenv("DRIVER_OTHER_CA"))) {
            throw new AssertionError("another authority's certificate was accepted");
        } catch (SQLException error) {
            if (!error.getMessage().contains("PKIX")) throw error;
        }
    }

    public static void main(String[] arguments) throws Exception {
        try (Connection db = connect(System.getenv("PGSSLROOTCERT"))) {
            check(db, "connect", Pgjdbc::connected);
            check(db, "types", Pgjdbc::types);
            check(db, "ddl", c -> {
                execute(c, "CREATE TABLE driver_ddl (id int)");
                execute(c, "DROP TABLE driver_ddl");
            });
            check(db, "listen", c -> {
                execute(c, "LISTEN driver");
                execute(c, "UNLISTEN driver");
            });
            check(db, "zone", c -> {
                same(value(c, "SELECT string_agg(DISTINCT tenant_id, ',') FROM orders"), "acme");
                same(value(c, "SELECT count(*) FROM orders WHERE tenant_id = ?", "globex"), "0");
                same(value(c, "INSERT INTO orders (note) VALUES (?) RETURNING tenant_id", "driver insert"), "acme");
            });
            check(db, "prepared", Pgjdbc::prepared);
            check(db, "savepoints", Pgjdbc::savepoints);
            check(db, "recovery", Pgjdbc::recovery);
            check(db, "settings", Pgjdbc::settings);
            check(db, "copy", Pgjdbc::copy);
            check(db, "cancel", Pgjdbc::cancel);
            check(db, "pipeline", Pgjdbc::pipeline);
            check(db, "cursor", Pgjdbc::cursor);
            check(db, "large-objects", Pgjdbc::largeObjects);
            check(db, "concurrent", c -> concurrent());
        }
        System.exit(failed ? 1 : 0);
    }
}
