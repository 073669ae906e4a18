import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.ParameterMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.util.Properties;

/** What pgjdbc, and every tool on top of it, finds out about a schema, printed. */
public class PgjdbcMetadata {
    static void print(String what, ResultSet rows) throws SQLException {
        System.out.println("## " + what);
        ResultSetMetaData columns = rows.getMetaData();
        while (rows.next()) {
            StringBuilder line = new StringBuilder();
            for (int column = 1; column <= columns.getColumnCount(); column++) {
                line.append(columns.getColumnLabel(column)).append('=').append(rows.getString(column)).append(' ');
            }
            System.out.println(line);
        }
        rows.close();
    }

    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        properties.setProperty("sslmode", System.getenv("PGSSLMODE"));
        properties.setProperty("sslrootcert", System.getenv("PGSSLROOTCERT"));
        properties.setProperty("ApplicationName", "metadata");
        String url = "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE");
        try (Connection db = DriverManager.getConnection(url, properties)) {
            DatabaseMetaData data = db.getMetaData();
            System.out.println(data.getDatabaseProductVersion() + " " + data.getMaxConnections() + " " + data.getMaxColumnNameLength());
            print("catalogs", data.getCatalogs());
            print("schemas", data.getSchemas());
            print("table types", data.getTableTypes());
            print("tables", data.getTables(null, "public", "%", null));
            print("views", data.getTables(null, null, "%", new String[] {"VIEW", "MATERIALIZED VIEW"}));
            print("columns", data.getColumns(null, "public", "%", "%"));
            print("types", data.getTypeInfo());
            print("own types", data.getUDTs(null, "public", "%", null));
            print("functions", data.getFunctions(null, "public", "%"));
            print("function columns", data.getFunctionColumns(null, "public", "%", "%"));
            print("procedures", data.getProcedures(null, "public", "%"));
            print("client info", data.getClientInfoProperties());
            for (String table : new String[] {"customers", "lines", "jobs", "orders", "table"}) {
                print("keys of " + table, data.getPrimaryKeys(null, "public", table));
                print("imported by " + table, data.getImportedKeys(null, "public", table));
                print("exported by " + table, data.getExportedKeys(null, "public", table));
                print("indexes of " + table, data.getIndexInfo(null, "public", table, false, true));
                print("privileges on " + table, data.getTablePrivileges(null, "public", table));
                print("best row of " + table, data.getBestRowIdentifier(null, "public", table, 0, true));
                print("versions of " + table, data.getVersionColumns(null, "public", table));
            }
            System.out.println(data.getSQLKeywords());
            try (PreparedStatement statement = db.prepareStatement("SELECT l.total, c.feeling, l.amount FROM lines l JOIN customers c ON c.id = l.customer WHERE c.id = ? AND l.product = ?")) {
                ParameterMetaData parameters = statement.getParameterMetaData();
                System.out.println(parameters.getParameterTypeName(1) + " " + parameters.getParameterTypeName(2));
                ResultSetMetaData columns = statement.getMetaData();
                for (int column = 1; column <= columns.getColumnCount(); column++) {
                    System.out.println(columns.getTableName(column) + " " + columns.getColumnTypeName(column) + " " + columns.isAutoIncrement(column) + " " + columns.isNullable(column));
                }
            }
            db.setReadOnly(true);
            db.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
            db.setAutoCommit(false);
            print("read only", db.createStatement().executeQuery("SELECT count(*) FROM customers"));
            db.rollback();
            System.out.println(db.isValid(5) + " " + db.getSchema() + " " + db.getCatalog());
        }
    }
}
