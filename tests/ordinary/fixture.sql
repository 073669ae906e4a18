
\connect shop
-- The tenant of the application when it is not Portcullis that says it: for the direct connection.
SET ROLE migrator;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN quantity AS int CHECK (value > 0);
CREATE TABLE customers (
    id int PRIMARY KEY,
    name text NOT NULL,
    email text UNIQUE,
    feeling mood DEFAULT 'ok',
    tags text[] NOT NULL DEFAULT '{}',
    data jsonb NOT NULL DEFAULT '{}',
    created timestamptz NOT NULL DEFAULT '2026-01-01'
);
COMMENT ON TABLE customers IS 'who buys';
COMMENT ON COLUMN customers.name IS 'DROP TABLE customers';
CREATE TABLE lines (
    customer int NOT NULL REFERENCES customers ON DELETE CASCADE,
    line int NOT NULL,
    product text NOT NULL,
    amount quantity NOT NULL,
    price numeric(10, 2) NOT NULL,
    total numeric GENERATED ALWAYS AS (amount * price) STORED,
    PRIMARY KEY (customer, line),
    CONSTRAINT price_positive CHECK (price >= 0)
);
CREATE INDEX lines_product ON lines (product) WHERE amount > 1;
CREATE INDEX lines_lower ON lines (lower(product) DESC);
CREATE VIEW totals AS SELECT customer, sum(total) AS total FROM lines GROUP BY customer;
CREATE MATERIALIZED VIEW products AS SELECT DISTINCT product FROM lines;
CREATE SEQUENCE tickets START 100;
CREATE TABLE events (id bigint NOT NULL, at date NOT NULL, body text) PARTITION BY RANGE (at);
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE "table" ("select" int PRIMARY KEY, "drop" text, "create" text, "from" int, "into" int, "set" text);
CREATE TABLE "drop table orders" (id int);
CREATE TABLE links (id int PRIMARY KEY, dblink text, crosstab int, set_limit numeric, http_get text, lo_unlink bool, nextval int);
CREATE TABLE requests (id int PRIMARY KEY, http text, dblink text);
INSERT INTO links VALUES (1, 'x', 2, 0.5, 'https://example.com', false, 3);
CREATE TYPE address AS (street text, http text, dblink text);
CREATE TABLE places (id int PRIMARY KEY, home address, work address[]);
INSERT INTO places VALUES (1, ('Main Street', 'x', 'y'));
CREATE TABLE jobs (id int PRIMARY KEY, state text NOT NULL DEFAULT 'new');
CREATE TABLE settings (name text PRIMARY KEY, value text);
CREATE TABLE audit (id bigint GENERATED ALWAYS AS IDENTITY, what text);
CREATE FUNCTION set_config_x(text, text, bool) RETURNS text LANGUAGE sql AS 'SELECT $1 || $2';
CREATE FUNCTION xcrosstab(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION grant_total(int) RETURNS numeric LANGUAGE sql STABLE AS 'SELECT sum(total) FROM lines WHERE customer = $1';
CREATE FUNCTION create_order(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN upper($1); END';
CREATE FUNCTION open_lines(called refcursor DEFAULT 'opened_lines') RETURNS refcursor LANGUAGE plpgsql AS 'BEGIN OPEN called FOR SELECT product FROM lines ORDER BY 1, line; RETURN called; END';
CREATE FUNCTION watched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN new.what := upper(new.what); RETURN new; END';
CREATE TRIGGER watched BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION watched();
INSERT INTO customers (id, name, email) VALUES (1, 'Ada', 'ada@example.com'), (2, 'Bob', NULL), (3, 'Čapek; DROP TABLE x', 'c@example.com');
INSERT INTO lines (customer, line, product, amount, price) VALUES (1, 1, 'anvil', 2, 10.50), (1, 2, 'rope', 1, 3), (2, 1, 'anvil', 5, 9.99);
INSERT INTO events VALUES (1, '2026-02-03', 'begun');
INSERT INTO "table" VALUES (1, 'DROP TABLE x', 'CREATE', 2, 3, 'SET');
INSERT INTO jobs VALUES (1), (2), (3);
INSERT INTO settings VALUES ('search_path', 'x');
REFRESH MATERIALIZED VIEW products;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO shop_acme;
GRANT USAGE, UPDATE, SELECT ON ALL SEQUENCES IN SCHEMA public TO shop_acme;
GRANT TRUNCATE, REFERENCES, TRIGGER ON jobs TO shop_acme;
RESET ROLE;
SELECT lo_from_bytea(70000, 'a scan');
GRANT SELECT ON LARGE OBJECT 70000 TO shop_acme;
ANALYZE;
