-- Functions and tables of extensions that the test's server does not have: PostgreSQL's own error comes back.

-- PostGIS.

--! fails 42883
SELECT ST_AsGeoJSON(ST_SetSRID(ST_MakePoint(1, 2), 4326));

--! fails 42704
SELECT name FROM customers WHERE ST_DWithin(name::geometry, 'SRID=4326;POINT(1 2)'::geometry, 1000) ORDER BY name::geometry <-> 'SRID=4326;POINT(1 2)'::geometry LIMIT 5;

--! fails 42883
SELECT ST_AsMVT(q, 'layer', 4096, 'geom') FROM (SELECT id, ST_AsMVTGeom(name, ST_TileEnvelope(1, 2, 3), 4096, 256, true) geom FROM customers) q;

--! fails 42883
SELECT PostGIS_Full_Version();

--! fails 42883
SELECT postgis_version(), postgis_lib_version(), postgis_proj_version();

--! fails 42P01
SELECT f_table_schema, f_table_name, f_geometry_column, coord_dimension, srid, type FROM geometry_columns UNION ALL SELECT f_table_schema, f_table_name, f_geography_column, coord_dimension, srid, type FROM geography_columns;

--! fails 42P01
SELECT auth_name, auth_srid, srtext, proj4text FROM spatial_ref_sys WHERE srid = 4326;

--! fails 42883
SELECT Find_SRID('public', 'places', 'geom'), ST_EstimatedExtent('places', 'geom');

--! fails 42883
SELECT (ST_DumpPoints(name)).geom, (ST_Dump(name)).path[1] FROM customers;

--! fails 42883
SELECT ST_ClusterDBSCAN(name, eps := 50, minpoints => 2) OVER () FROM customers;

--! fails 42883
SELECT jsonb_build_object('type', 'FeatureCollection', 'features', json_agg(ST_AsGeoJSON(t.*)::json)) FROM customers AS t;

--! fails 42P01
SELECT count(*) FROM topology.topology;

--! fails 42883
SELECT ST_SummaryStats(name), ST_Value(name, 1, 1), ST_Reclass(name, 1, '0-9:1', '8BUI') FROM customers;

-- TimescaleDB.

--! fails 3F000
SELECT _timescaledb_functions.to_timestamp(1), _timescaledb_functions.cagg_watermark(1);

-- pgvector.

--! fails 42704
SELECT id, name::vector <-> '[1,2,3]' AS distance FROM customers ORDER BY name::vector <=> '[1,2,3]'::vector LIMIT 5;

--! fails 42704
SELECT 1 - ('[1,2]'::vector <=> '[3,4]'), '[1,2]'::halfvec(2) <#> '[3,4]', binary_quantize('[1,-1]'::vector)::bit(2) <~> B'10';

--! fails 42883
SELECT l2_distance('a', 'b'), cosine_distance('a', 'b'), vector_dims('a'), l2_normalize('a');

BEGIN;
SET LOCAL hnsw.ef_search = 100;
SET LOCAL hnsw.iterative_scan = relaxed_order;
SET LOCAL ivfflat.probes = 10;
SHOW hnsw.ef_search;
COMMIT;

-- Of contrib.

--! fails 42883
SELECT similarity(name, 'ada'), show_trgm('ada'), word_similarity('ada', name), strict_word_similarity('a', name), show_limit() FROM customers;

--! fails 42883
SELECT name FROM customers WHERE name % 'ada' ORDER BY name <-> 'ada';

BEGIN;
SET LOCAL pg_trgm.similarity_threshold = 0.4;
SET LOCAL pg_trgm.word_similarity_threshold TO '0.5';
COMMIT;

--! fails 42883
SELECT crypt('secret', gen_salt('bf', 8)), digest('x', 'sha256'), hmac('x', 'k', 'sha1'), pgp_sym_encrypt('x', 'y'), gen_random_bytes(16);

--! fails 42883
SELECT uuid_generate_v4(), uuid_generate_v1mc(), uuid_nil(), uuid_generate_v5(uuid_ns_url(), 'x');

--! fails 42883
SELECT unaccent('Hôtel'), levenshtein('a', 'b'), metaphone('x', 4), soundex('x'), dmetaphone('x');

--! fails 42704
SELECT 'a=>1'::hstore -> 'a', hstore('a', 'b') || 'c=>d', (each('a=>1'::hstore)).key;

--! fails 42704
SELECT 'Top.Science'::ltree <@ 'Top', 'Top.Science'::ltree ~ '*.Sci*'::lquery, nlevel('a.b'::ltree), lca('a.b', 'a.c');

--! fails 42704
SELECT 'Abc'::citext = 'aBC', 'x'::citext LIKE 'X';

--! fails 42883
SELECT earth_distance(ll_to_earth(1, 2), ll_to_earth(3, 4)), cube_distance('(1)', '(2)');

--! fails 42883
SELECT icount('{1,2}'::int[]), sort('{2,1}'::int[]), '{1,2}'::int[] @@ '1&2'::query_int;

--! fails 42P01
SELECT queryid, query, calls, total_exec_time, mean_exec_time, rows FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT 20;

--! fails 42883
SELECT * FROM pgstattuple('customers');

--! fails 42P01
SELECT c.relname, count(*) AS buffers FROM pg_buffercache b JOIN pg_class c ON b.relfilenode = pg_relation_filenode(c.oid) GROUP BY c.relname;

--! fails 42883
SELECT isbn('978-0-393-04002-9'), is_valid('978-0-393-04002-9'::isbn);

-- TimescaleDB, Citus, pg_cron, pgmq, pg_partman, ParadeDB: reading and adding rows.

--! fails 42883
SELECT time_bucket('5 minutes', created) AS bucket, first(name, created), last(name, created), count(*) FROM customers GROUP BY bucket ORDER BY bucket;

--! fails 42883
SELECT time_bucket_gapfill('1 hour', created) AS bucket, locf(avg(id)), interpolate(avg(id)) FROM customers GROUP BY bucket;

--! fails 42P01
SELECT hypertable_name, num_chunks, compression_enabled FROM timescaledb_information.hypertables;

--! fails 42883
SELECT hypertable_size('metrics'), approximate_row_count('metrics'), show_chunks('metrics');

--! fails 42P01
SELECT jobid, schedule, command FROM cron.job;

--! fails 42P01
SELECT j.jobname, d.status FROM cron.job_run_details d JOIN cron.job j USING (jobid) ORDER BY d.start_time DESC LIMIT 10;

--! fails 3F000
SELECT * FROM pgmq.read('emails', 30, 1);

--! fails 3F000
SELECT pgmq.send('emails', '{"to": "ada@example.com"}');

--! fails 42P01
SELECT parent_table, control, partition_interval FROM partman.part_config;

--! fails 3F000
SELECT graphile_worker.add_job('send_email', json_build_object('to', 'ada@example.com'));

--! fails 42883
SELECT name FROM customers WHERE name @@@ 'ada' ORDER BY paradedb.score(id) DESC LIMIT 5;

--! fails 42P01
SELECT table_name, citus_table_type, distribution_column FROM citus_tables;

--! fails 3F000
SELECT auth.uid(), auth.role(), auth.jwt() ->> 'email';

--! fails 42P01
SELECT id, bucket_id, name, metadata FROM storage.objects WHERE bucket_id = 'avatars' AND (storage.foldername(name))[1] = 'public';

--! fails 42P01
SELECT decrypted_secret FROM vault.decrypted_secrets WHERE name = 'key';
