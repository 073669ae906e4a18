-- Queries as reports and searches have them: windows, recursion, sets, JSON, arrays, ranges, text search, XML.

SELECT product, sum(total) AS total, sum(sum(total)) OVER (ORDER BY product ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS running FROM lines GROUP BY product ORDER BY product;

SELECT customer, line, ntile(2) OVER w AS half, percent_rank() OVER w, cume_dist() OVER w, first_value(price) OVER w, last_value(price) OVER w, nth_value(price, 2) OVER w FROM lines WINDOW w AS (PARTITION BY customer ORDER BY line RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) ORDER BY customer, line;

SELECT line, sum(price) OVER (ORDER BY line GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE TIES) FROM lines WHERE customer = 1 ORDER BY line;

SELECT g, avg(g) OVER (ORDER BY g ROWS 2 PRECEDING EXCLUDE CURRENT ROW), count(*) FILTER (WHERE g % 2 = 0) OVER (ORDER BY g) FROM generate_series(1, 6) AS g;

SELECT * FROM (SELECT c.name, row_number() OVER (PARTITION BY l.customer ORDER BY l.price DESC) AS place FROM lines l JOIN customers c ON c.id = l.customer) ranked WHERE place = 1 ORDER BY name;

SELECT product, customer, grouping(product, customer) AS level, sum(amount) FROM lines GROUP BY GROUPING SETS ((product, customer), (product), ()) ORDER BY 1 NULLS LAST, 2 NULLS LAST, 3;

SELECT product, customer, count(*) FROM lines GROUP BY CUBE (product, customer) ORDER BY 1 NULLS FIRST, 2 NULLS FIRST, 3;

SELECT customer, product, count(*) FROM lines GROUP BY DISTINCT ROLLUP (customer), ROLLUP (customer, product) ORDER BY 1, 2, 3;

SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY price), percentile_disc(ARRAY[0.25, 0.75]) WITHIN GROUP (ORDER BY price), mode() WITHIN GROUP (ORDER BY product), rank(5) WITHIN GROUP (ORDER BY price) FROM lines;

SELECT corr(amount, price), covar_pop(amount, price), regr_slope(price, amount), stddev_samp(price), var_pop(price) IS NOT NULL FROM lines;

SELECT bool_and(price > 0), bool_or(amount > 4), every(amount > 0), bit_and(amount::int), bit_or(amount::int), bit_xor(amount::int) FROM lines;

SELECT array_agg(product ORDER BY customer, line), string_agg(product, ', ' ORDER BY product DESC), json_agg(lines ORDER BY customer, line), jsonb_object_agg(customer || '-' || line, product) FROM lines;

WITH RECURSIVE t (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 10) SELECT sum(n), max(n) FROM t;

WITH RECURSIVE tree (id, parent, path) AS (SELECT id, parent, ARRAY[id] FROM (VALUES (1, NULL), (2, 1), (3, 1), (4, 2)) AS n (id, parent) WHERE parent IS NULL UNION ALL SELECT n.id, n.parent, path || n.id FROM (VALUES (1, NULL), (2, 1), (3, 1), (4, 2)) AS n (id, parent) JOIN tree ON n.parent = tree.id) SELECT id, cardinality(path) AS depth, array_to_string(path, '/') FROM tree ORDER BY path;

WITH RECURSIVE walk (a, b) AS (SELECT * FROM (VALUES (1, 2), (2, 3), (3, 1)) v (a, b) UNION ALL SELECT e.a, e.b FROM (VALUES (1, 2), (2, 3), (3, 1)) e (a, b), walk w WHERE w.b = e.a) SEARCH DEPTH FIRST BY a, b SET ord CYCLE a, b SET looped USING trail SELECT a, b, looped FROM walk ORDER BY ord, a, b;

WITH RECURSIVE walk (a) AS (SELECT 1 UNION SELECT a % 3 + 1 FROM walk) CYCLE a SET is_cycle TO 'Y' DEFAULT 'N' USING path SELECT a, is_cycle FROM walk ORDER BY a, is_cycle;

WITH one AS MATERIALIZED (SELECT * FROM customers), two AS NOT MATERIALIZED (SELECT id FROM one WHERE feeling = 'ok') SELECT count(*) FROM one JOIN two USING (id);

WITH months AS (SELECT generate_series('2026-01-01'::date, '2026-04-01', interval '1 month')::date AS month) SELECT month, count(e.id) FROM months LEFT JOIN events e ON date_trunc('month', e.at)::date = month GROUP BY month ORDER BY month;

SELECT c.name, last.product FROM customers c CROSS JOIN LATERAL (SELECT product FROM lines l WHERE l.customer = c.id ORDER BY line DESC LIMIT 1) AS last ORDER BY c.id;

SELECT c.id, t.tag FROM customers c LEFT JOIN LATERAL unnest(c.tags) WITH ORDINALITY AS t (tag, n) ON true ORDER BY c.id, t.n;

SELECT * FROM ROWS FROM (generate_series(1, 3), unnest(ARRAY['a', 'b']), json_to_recordset('[{"x": 1}]') AS (x int)) WITH ORDINALITY AS r (n, letter, x, ord);

SELECT id FROM customers UNION SELECT customer FROM lines EXCEPT SELECT 3 INTERSECT SELECT 3 ORDER BY 1;

(SELECT name FROM customers ORDER BY id DESC LIMIT 1) UNION ALL (SELECT product FROM lines ORDER BY price LIMIT 1);

SELECT name FROM customers ORDER BY id FETCH FIRST 2 ROWS ONLY;

SELECT customer FROM lines ORDER BY customer FETCH NEXT 1 ROW WITH TIES;

SELECT name FROM customers ORDER BY id OFFSET 1 ROW FETCH NEXT ROW ONLY;

SELECT * FROM customers NATURAL JOIN (SELECT 1 AS id) one;

SELECT * FROM customers c FULL OUTER JOIN lines l ON l.customer = c.id AND l.line = 1 ORDER BY c.id, l.line;

SELECT u.id FROM customers AS l JOIN customers AS r USING (id) AS u ORDER BY u.id;

SELECT (l).product, (l).* FROM lines l ORDER BY l.customer, l.line;

SELECT c.*::text, row(c.id, c.name), c IS NULL FROM customers c ORDER BY c.id;

SELECT ROW(1, 'a') < ROW(1, 'b'), (SELECT ROW(id, name) FROM customers WHERE id = 1) = ROW(1, 'Ada'::text), ROW(NULL, 1) IS NOT DISTINCT FROM ROW(NULL, 1);

SELECT CASE feeling WHEN 'ok' THEN 1 WHEN 'sad' THEN 2 ELSE 0 END, CASE WHEN email IS NULL THEN 'none' ELSE email END, coalesce(email, 'none'), nullif(email, ''), greatest(id, 2), least(id, 2) FROM customers ORDER BY id;

SELECT id FROM customers WHERE id = ANY (SELECT customer FROM lines) AND id <> ALL (ARRAY[5, 6]) AND NOT EXISTS (SELECT FROM lines WHERE customer = customers.id AND product = 'rope');

SELECT name FROM customers WHERE (id, name) IN (SELECT customer, 'Ada' FROM lines) OR (id, feeling) = (2, 'ok'::mood) ORDER BY id;

SELECT name SIMILAR TO '(A|B)%', name ~* '^a', name NOT ILIKE '%o%', name LIKE ANY (ARRAY['A%', 'B%']), name !~~ 'x', starts_with(name, 'A'), name ^@ 'A' FROM customers ORDER BY id;

SELECT substring('Thomas' FROM 2 FOR 3), substring('Thomas' FROM '...$'), substring('Thomas' SIMILAR '%#"o_a#"_' ESCAPE '#'), overlay('Txxxxas' PLACING 'hom' FROM 2 FOR 4), position('om' IN 'Thomas'), trim(BOTH 'x' FROM 'xTomxx'), trim(LEADING FROM '  x'), extract(epoch FROM interval '1 day'), char_length('ä'), octet_length('ä'), normalize('ä', NFC), 'ä' IS NFC NORMALIZED;

SELECT regexp_replace('foobarbaz', 'b(..)', 'X\1Y', 'g'), regexp_matches('foobarbequebaz', '(bar)(beque)'), regexp_split_to_array('a b', '\s+'), regexp_count('aaa', 'a'), regexp_substr('number 5', '\d+'), regexp_instr('abc', 'c'), regexp_like('x', 'X', 'i');

SELECT format('%s-%I-%L-%2$s', 'x', 'Drop Table', 'it''s'), concat_ws(',', 1, NULL, 'x'), lpad('x', 3, '0'), split_part('a,b', ',', -1), translate('12345', '143', 'ax'), initcap('hi there'), repeat('ab', 2), reverse('abc'), left('abc', -1), md5('x'), encode(sha256('x'), 'hex'), ascii('x'), to_hex(255), quote_nullable(NULL);

SELECT date '2026-01-31' + interval '1 month', age(timestamp '2026-03-01', timestamp '2026-01-01'), date_part('dow', date '2026-01-01'), date_bin('15 minutes', timestamp '2026-01-01 12:07', timestamp '2026-01-01'), make_interval(days => 10), make_date(2026, 1, 1), to_char(timestamp '2026-01-01', 'YYYY-"Q"Q'), to_timestamp('01 Jan 2026', 'DD Mon YYYY') AT TIME ZONE 'UTC', justify_hours(interval '30 hours'), isfinite(date 'infinity');

SELECT (date '2026-01-01', date '2026-02-01') OVERLAPS (date '2026-01-15', interval '10 days'), timestamptz '2026-01-01 00:00+00' AT TIME ZONE 'Europe/Vienna', current_date - current_date, localtimestamp = localtimestamp, current_time(0) = current_time(0);

SELECT data->'a', data->>'a', data#>'{a,b}', data#>>'{a,b}', data @> '{}', data ? 'a', data ?| ARRAY['a'], data ?& ARRAY['a'], data - 'a', data #- '{a}', data || '{"b": 1}' FROM customers ORDER BY id;

SELECT jsonb_path_query_array('{"a": [1, 2, 3]}', '$.a[*] ? (@ > $min)', '{"min": 1}'), jsonb_path_exists('{"a": 1}', '$.a ? (@ == 1)'), '{"a": 1}'::jsonb @? '$.a', '{"a": 1}'::jsonb @@ '$.a == 1', jsonb_path_query_first_tz('["2026-01-01"]', '$[0].datetime()'), jsonb_path_match('{"a": 1}', 'exists($.a)');

SELECT jsonb_set('{"a": 1}', '{b}', '2', true), jsonb_insert('{"a": [1]}', '{a, 0}', '0'), jsonb_pretty('{"a": 1}'), jsonb_strip_nulls('{"a": null}'), jsonb_build_object('k', 1, 'l', ARRAY[1]), jsonb_build_array(1, 'x'), to_jsonb(ROW(1, 2)), row_to_json(ROW(1, 'x'), true), json_typeof('1'), jsonb_array_length('[1, 2]'), jsonb_set_lax('{"a": 1}', '{a}', NULL, true, 'delete_key');

SELECT key, value FROM jsonb_each_text('{"drop": "table", "a": "b"}') ORDER BY key;

SELECT e->>'sku' AS sku, (e->>'n')::int AS n FROM jsonb_array_elements('[{"sku": "a", "n": 1}, {"sku": "b", "n": 2}]') WITH ORDINALITY AS t (e, o) ORDER BY o DESC;

SELECT * FROM jsonb_to_record('{"a": 1, "b": ["x"]}') AS t (a int, b text[]);

SELECT * FROM jsonb_populate_record(NULL::jobs, '{"id": 7, "state": "x"}');

SELECT * FROM json_populate_recordset(NULL::jobs, '[{"id": 7}, {"id": 8, "state": "y"}]');

SELECT ('{"a": {"b": [10, 20]}}'::jsonb)['a']['b'][1];

SELECT jsonb_object_keys('{"x": 1, "y": 2}');

SELECT ARRAY[[1, 2], [3, 4]], array_dims(ARRAY[1, 2]), ARRAY[1] || 2, ARRAY[1, 2] && ARRAY[2], ARRAY[1, 2] @> ARRAY[1], array_position(ARRAY['a', 'b'], 'b'), array_remove(ARRAY[1, 2], 1), array_replace(ARRAY[1, 2], 1, 3), array_fill(0, ARRAY[2]), array_length(ARRAY[1], 1), unnest(ARRAY[1, 2]), string_to_array('a,b', ','), trim_array(ARRAY[1, 2, 3], 1), width_bucket(5, ARRAY[1, 4, 8]);

SELECT int4range(1, 10) * int4range(5, 15), '[2026-01-01,2026-02-01)'::daterange @> date '2026-01-15', numrange(1, NULL) -|- numrange(0, 1), upper(int8range(1, 5)), isempty('empty'::int4range), range_merge('[1,2)'::int4range, '[5,6)'), '{[1,3), [5,8)}'::int4multirange - '{[2,6)}'::int4multirange, unnest('{[1,2),[3,4)}'::int4multirange), range_agg(r) FROM (VALUES ('[1,3)'::int4range), ('[2,5)')) AS v (r) GROUP BY ();

SELECT to_tsvector('english', 'The fat cats sat') @@ to_tsquery('english', 'cat & sat'), plainto_tsquery('fat cats'), phraseto_tsquery('fat cats'), websearch_to_tsquery('english', '"fat cat" -rat or mouse'), ts_rank(to_tsvector('fat'), to_tsquery('fat')), ts_rank_cd(to_tsvector('fat cat'), 'fat & cat'::tsquery, 32), setweight(to_tsvector('x'), 'A') || to_tsvector('y'), numnode('a & b'::tsquery), querytree('a & !b'::tsquery), ts_headline('english', 'The fat cat', to_tsquery('cat'), 'StartSel=<b>, StopSel=</b>'), strip('a:1'::tsvector), length('a:1 b:2'::tsvector);

SELECT alias, token, dictionaries FROM ts_debug('english', 'a fat  cat') ORDER BY token;

SELECT * FROM ts_parse('default', '123 - a number');

SELECT ts_lexize('english_stem', 'stars'), get_current_ts_config(), ts_delete('fat:1 cat:2'::tsvector, 'fat'), tsvector_to_array('fat:1 cat:2'::tsvector), array_to_tsvector(ARRAY['a', 'b']), 'a'::tsquery && 'b'::tsquery, tsquery_phrase('a', 'b', 2), ts_filter('a:1A b:2B'::tsvector, '{a}');

SELECT id, name FROM customers WHERE to_tsvector('simple', name || ' ' || coalesce(email, '')) @@ websearch_to_tsquery('simple', 'ada') ORDER BY ts_rank(to_tsvector('simple', name), websearch_to_tsquery('simple', 'ada')) DESC;

SELECT xmlelement(name customer, xmlattributes(id AS "id"), xmlforest(name, email)) FROM customers ORDER BY id;

SELECT xmlagg(xmlelement(name l, product) ORDER BY customer, line), xmlconcat('<a/>', '<b/>'), xmlpi(name php, 'echo 1'), xmlcomment('x'), xmlroot('<a/>', version '1.0', standalone yes), xmlserialize(CONTENT '<a/>'::xml AS text), xpath('/a/text()', '<a>x</a>'), xpath_exists('/a', '<a/>'), xml_is_well_formed('<a>'), xmlexists('//a' PASSING BY VALUE '<a/>') FROM lines;

SELECT t.* FROM xmltable('/rows/row' PASSING '<rows><row id="1"><a>x</a></row><row id="2"/></rows>' COLUMNS n FOR ORDINALITY, id int PATH '@id' NOT NULL, a text PATH 'a' DEFAULT 'none') AS t;

SELECT point(1, 2) <-> point(4, 6), box '((0,0),(1,1))' && box '((0.5,0.5),(2,2))', circle '((0,0),1)' @> point '(0.5,0)', area(box '((0,0),(2,2))'), '((0,0),(1,1))'::lseg ?# '((0,1),(1,0))'::lseg, polygon '((0,0),(1,0),(1,1))';

SELECT inet '192.168.1.5' << inet '192.168.1/24', host('10.0.0.1/8'), network('10.1.2.3/8'), masklen('10.0.0.0/8'), '08:00:2b:01:02:03'::macaddr, inet_merge('10.0.0.1/24', '10.0.1.1/24'), cidr '10.0.0.0/8' >>= inet '10.1.1.1', set_masklen('10.0.0.1/8', 16), inet_same_family('10.0.0.1', '::1');

SELECT gcd(12, 18), lcm(4, 6), 2 ^ 10, 5 % 3, |/ 25, ||/ 27, @ -5, 5 & 3, 5 | 3, 5 # 3, ~5, 1 << 3, factorial(5), width_bucket(5.35, 0.024, 10.06, 5), round(2.5), trunc(-2.5), ceil(1.2), mod(7, 3), power(2, 3), scale(1.20), trim_scale(1.20), min_scale(1.2), div(9, 4), sign(-3), cbrt(27), degrees(pi());

SELECT B'101' & B'011', get_bit(B'101', 0), set_byte('\x00'::bytea, 0, 255), '\xdeadbeef'::bytea || '\x00', encode('\x00ff', 'base64'), decode('00ff', 'hex'), bit_length('x'), get_byte('\x41', 0), convert_to('ä', 'LATIN1'), convert('x', 'UTF8', 'LATIN1');

SELECT money '12.34' * 2, '1 year 2 mons'::interval, interval '1-2' year to month, interval '3 4:05:06' day to second, 'epoch'::timestamptz AT TIME ZONE 'UTC', time with time zone '12:00+02', 'allballs'::time, uuid '6b8f6d3a-0000-4000-8000-000000000001', 'NaN'::float8, '-infinity'::timestamp, "char" 'x', name 'abc', oid '12', 'pg_class'::regclass, 'int4'::regtype, 'now'::regproc, 'sum(int4)'::regprocedure, '+(int4,int4)'::regoperator, 'english'::regconfig, 'public'::regnamespace;

SELECT pg_typeof(1), pg_column_size(1), format_type(23, NULL), to_regclass('orders')::text, to_regtype('int'), to_regproc('now'), to_regnamespace('public'), collation for ('x' COLLATE "C"), num_nulls(1, NULL), num_nonnulls(1, NULL), txid_visible_in_snapshot(1, txid_current_snapshot());

SELECT CAST(amount AS numeric(10, 2)), price::text COLLATE "C", int8(price), (price)::int4, cast(NULL AS mood), 'ok'::mood > 'sad', enum_range(NULL::mood), enum_first(NULL::mood), array(SELECT product FROM lines ORDER BY 1) FROM lines ORDER BY customer, line LIMIT 1;

SELECT make_interval(hours := 2), to_char(now(), 'X') = 'X', format('%s %s', VARIADIC ARRAY['a', 'b']), concat(VARIADIC '{a,b}'::text[]), jsonb_build_array(VARIADIC ARRAY[1, 2]), num_nulls(VARIADIC ARRAY[1, NULL]);

SELECT * FROM customers TABLESAMPLE SYSTEM (100) ORDER BY id;

SELECT count(*) FROM customers TABLESAMPLE BERNOULLI (100) REPEATABLE (42);

SELECT * FROM ONLY customers c (identifier, called) ORDER BY identifier;

SELECT * FROM events * ORDER BY id;

SELECT tableoid::regclass, ctid IS NOT NULL, xmin IS NOT NULL, cmin, id FROM events ORDER BY id;

SELECT id, at FROM events WHERE at >= DATE '2026-01-01' AND at < DATE '2026-01-01' + INTERVAL '1 YEAR' AND body IS NOT NULL ORDER BY at DESC, id DESC LIMIT 50;

SELECT count(*) AS total, count(DISTINCT customer) customers, min(price) "lowest", max(price) AS "highest", round(avg(price), 2) average FROM lines HAVING count(*) > 0;

SELECT date_trunc('week', created) AS week, count(*) FROM customers WHERE created BETWEEN '2025-01-01' AND '2027-01-01' GROUP BY 1 ORDER BY 1;

SELECT generate_subscripts(ARRAY['a', 'b'], 1), generate_series(1, 2);

SELECT x, y FROM generate_series(1, 2) x, generate_series(x, 2) y ORDER BY x, y;

SELECT gen_random_uuid() IS NOT NULL, pg_sleep(0), hashtext('x') IS NOT NULL, hashtextextended('x', 1) IS NOT NULL;

SELECT NOT true IS FALSE, NULL IS UNKNOWN, 1 ISNULL, 1 NOTNULL, true AND NOT false OR NULL, 1 = 1 IS TRUE, 3 BETWEEN 1 AND 5 AND true, 1 IS DISTINCT FROM NULL, 'a' < 'b' COLLATE "C";

SELECT 5 AS "ORDER", 6 AS value, 7 AS year, 8 AS user_name, 9 AS "user", 10 name, 11 type, 12 AS offset, 13 AS limit;

SELECT current_user = session_user, current_role = user, current_catalog, current_schema, current_database(), current_schemas(true);

SELECT pg_get_userbyid(10) IS NOT NULL, has_table_privilege('orders', 'SELECT'), has_schema_privilege('public', 'USAGE'), has_column_privilege('orders', 'note', 'UPDATE'), has_database_privilege(current_database(), 'TEMP'), pg_has_role('shop_acme', 'MEMBER'), has_sequence_privilege('tickets', 'USAGE'), has_function_privilege('grant_total(int)', 'EXECUTE'), row_security_active('orders');
