# psycopg2's replication protocol: makes a slot, streams 200 rows of pgoutput, says how far it is, and
# removes the slot. Prints the rows. The other connection, which writes, is a superuser's.
import os
import psycopg2
from psycopg2.extras import LogicalReplicationConnection, StopReplication

slot = "cdc_psycopg2"
writer = psycopg2.connect(os.environ["DIRECT_DSN"])
writer.autocommit = True

connection = psycopg2.connect("", connection_factory=LogicalReplicationConnection)
cursor = connection.cursor()
cursor.create_replication_slot(slot, output_plugin="pgoutput")
with writer.cursor() as write:
    write.execute("DELETE FROM plain")
    write.execute("INSERT INTO plain SELECT i, 'row ' || i FROM generate_series(1, 200) i")
cursor.start_replication(
    slot_name=slot, decode=False, options={"proto_version": "1", "publication_names": "cdc_pub"}
)

rows = []


def consume(message):
    if message.payload[:1] == b"I":
        # The relation's number is another in each database.
        rows.append(message.payload[5:].decode())
    message.cursor.send_feedback(flush_lsn=message.data_start)
    if len(rows) == 200:
        raise StopReplication


try:
    cursor.consume_stream(consume)
except StopReplication:
    pass
connection.close()

connection = psycopg2.connect("", connection_factory=LogicalReplicationConnection)
cursor = connection.cursor()
cursor.execute(f"DROP_REPLICATION_SLOT {slot} WAIT")
print(repr(rows))
