-- migrate:up
ALTER TABLE orders ADD COLUMN state text NOT NULL DEFAULT 'open';
CREATE FUNCTION open_orders() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM orders WHERE state = 'open';
$$;

-- migrate:down
DROP FUNCTION open_orders();
ALTER TABLE orders DROP COLUMN state;
