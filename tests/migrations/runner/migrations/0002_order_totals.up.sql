ALTER TABLE orders ADD COLUMN total numeric NOT NULL DEFAULT 0;
CREATE INDEX orders_by_zone ON orders (zone_id, id);

DO $$
BEGIN
    INSERT INTO zones (id, name) VALUES ('gamma', 'Gamma') ON CONFLICT DO NOTHING;
END
$$;
