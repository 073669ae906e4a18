//! SCRAM-SHA-256 and -PLUS (RFC 5802, RFC 7677; PostgreSQL's "SASL Authentication"), both sides.
