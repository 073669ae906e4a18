import java.io.StringReader;
import java.io.StringWriter;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;
import org.postgresql.largeobject.LargeObject;
import org.postgresql.largeobject.LargeObjectManager;

/** pgjdbc. Before PgBouncer 1.21: prepareThreshold=0, which keeps every statement unnamed. */
public class Pgjdbc {
    static final boolean PREPARED = System.getenv("DRIVER_PREPARED").equals("1");
    static boolean failed = false;

    interface Check {
        void run(Connection db) throws Exception;
    }

    static Connection connect(String authority) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        properties.setProperty("sslmode", "verify-full");
        properties.setProperty("sslrootcert", authority);
        if (!PREPARED) properties.setProperty("prepareThreshold", "0");
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

    static void transactions(Connection db) throws SQLException {
        db.setAutoCommit(false);
        note(db, "driver commit");
        db.commit();
        note(db, "driver rollback");
        db.rollback();
        db.setAutoCommit(true);
    }

    static void errorInTransaction(Connection db) throws Exception {
        db.setAutoCommit(false);
        note(db, "driver lost");
        failsWith("22012", c -> value(c, "SELECT 1 / ?", 0), db);
        failsWith("25P02", c -> value(c, "SELECT 1"), db);
        db.rollback();
        db.setAutoCommit(true);
        same(value(db, "SELECT 1"), "1");
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

    static void batch(Connection db) throws SQLException {
        try (PreparedStatement statement = db.prepareStatement("INSERT INTO imports (id, note) VALUES (?, ?)")) {
            for (int number = 0; number < 500; number++) {
                statement.setInt(1, number);
                statement.setString(2, "driver batch");
                statement.addBatch();
            }
            same(statement.executeBatch().length, 500);
        }
    }

    static void cancel(Connection db) throws Exception {
        long start = System.nanoTime();
        failsWith("57014", connection -> {
            try (Statement statement = connection.createStatement()) {
                statement.setQueryTimeout(1);
                statement.execute("SELECT pg_sleep(30)");
            }
        }, db);
        if (System.nanoTime() - start > 10_000_000_000L) throw new AssertionError("cancelled too late");
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

    static void tls(Connection db) throws Exception {
        try (Connection other = connect(System.getenv("DRIVER_OTHER_CA"))) {
            throw new AssertionError("another authority's certificate was accepted");
        } catch (SQLException error) {
            if (!error.getMessage().contains("PKIX")) throw error;
        }
    }

    public static void main(String[] arguments) throws Exception {
        try (Connection db = connect(System.getenv("PGSSLROOTCERT"))) {
            check(db, "tls", Pgjdbc::tls);
            check(db, "parameters", c -> {
                same(value(c, "SELECT ? + 2", 40), "42");
                same(value(c, "SELECT ?::text", "it's ü"), "it's ü");
            });
            check(db, "zone", c -> {
                same(value(c, "SELECT string_agg(DISTINCT tenant_id, ',') FROM orders"), "acme");
                same(value(c, "SELECT count(*) FROM orders WHERE tenant_id = ?", "globex"), "0");
            });
            check(db, "insert", c -> same(value(c, "INSERT INTO orders (note) VALUES (?) RETURNING tenant_id", "driver insert"), "acme"));
            check(db, "transactions", Pgjdbc::transactions);
            check(db, "error-in-transaction", Pgjdbc::errorInTransaction);
            check(db, "copy-in", Pgjdbc::copyIn);
            check(db, "copy-out", Pgjdbc::copyOut);
            check(db, "cursor", Pgjdbc::cursor);
            check(db, "batch", Pgjdbc::batch);
            check(db, "large-objects", Pgjdbc::largeObjects);
            check(db, "ddl-refused", c -> {
                failsWith("42501", d -> execute(d, "CREATE TABLE driver_ddl (id int)"), c);
                same(value(c, "SELECT 1"), "1");
            });
            check(db, "cancel", Pgjdbc::cancel);
            check(db, "prepared", c -> {
                for (int number = 0; number < 12; number++) same(value(c, "SELECT ? * 2", number), String.valueOf(number * 2));
            });
        }
        System.exit(failed ? 1 : 0);
    }
}
