"""What SQLAlchemy finds out about a schema, printed."""

import sqlalchemy


def describe(connection):
    inspector = sqlalchemy.inspect(connection)
    print("schemas", inspector.get_schema_names())
    print("views", sorted(inspector.get_view_names()), sorted(inspector.get_materialized_view_names()))
    print("sequences", sorted(inspector.get_sequence_names()))
    print("enums", inspector.get_enums(), "domains", inspector.get_domains())
    for name in sorted(inspector.get_table_names()):
        print("table", name, inspector.get_table_comment(name))
        for column in inspector.get_columns(name):
            print("  column", {key: str(value) for key, value in column.items()})
        print("  key", inspector.get_pk_constraint(name))
        for what in ["foreign_keys", "unique_constraints", "indexes", "check_constraints"]:
            found = getattr(inspector, f"get_{what}")(name)
            print(" ", what, sorted(map(str, found)))
    for name in sorted(inspector.get_view_names()):
        print("view", name, inspector.get_view_definition(name))
    metadata = sqlalchemy.MetaData()
    metadata.reflect(connection, views=True)
    print("reflected", [str(table) for table in metadata.sorted_tables])
    customers = metadata.tables["customers"]
    rows = connection.execute(sqlalchemy.select(customers).order_by(customers.c.id)).fetchall()
    print("rows", [row.name for row in rows])
    jobs = metadata.tables["jobs"]
    with connection.begin_nested():
        print("inserted", connection.execute(jobs.insert().values(id=77).returning(jobs.c.state)).scalar())
    connection.rollback()


engine = sqlalchemy.create_engine("postgresql+psycopg://", connect_args={"prepare_threshold": 5})
with engine.connect() as connection:
    describe(connection)
    print("isolation", connection.get_isolation_level(), engine.dialect.server_version_info)
with engine.connect() as connection:
    print("again", connection.execute(sqlalchemy.text("SELECT 1")).scalar())
engine.dispose()
