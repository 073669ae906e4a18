UPDATE zones SET name = upper(name) WHERE id = 'gamma';
CREATE VIEW zone_names WITH (security_barrier) AS SELECT name FROM zones;
