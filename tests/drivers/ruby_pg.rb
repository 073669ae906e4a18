# Ruby's pg. tests/drivers/matrix.rs says what a check of a name does.
require 'pg'

# Without it: a connection straight to PostgreSQL, which has no certificate here.
TLS = ENV['PGSSLMODE'] != 'disable'
CLIENTS = 20
ROUNDS = 5
EXECUTIONS = 200
INSERT = 'INSERT INTO orders (note) VALUES ($1)'.freeze

$failed = false
$stdout.sync = true

def connect(**options)
  PG.connect(application_name: 'driver', **options)
end

DB = connect

def check(name)
  yield
  puts "ok #{name}"
rescue StandardError => error
  $failed = true
  puts "not ok #{name}: #{error.class} #{error.message}\n#{error.backtrace.first(5).join("\n")}"
end

def same(found, expected)
  raise "expected #{expected.inspect}, found #{found.inspect}" unless found == expected
end

def fails_with(sqlstate)
  yield
rescue PG::Error => error
  same(error.result&.error_field(PG::PG_DIAG_SQLSTATE), sqlstate)
else
  raise "no error, expected #{sqlstate}"
end

def value(sql, *values, on: DB)
  on.exec_params(sql, values).getvalue(0, 0)
end

check 'connect' do
  same(value("SELECT current_setting('application_name')"), 'driver')
  same(DB.ssl_in_use?, TLS)
  if TLS
    begin
      connect(sslrootcert: ENV['DRIVER_OTHER_CA'])
      raise "another authority's certificate was accepted"
    rescue PG::ConnectionBad => error
      raise unless error.message.include?('certificate verify failed')
    end
  end
end

check 'types' do
  [
    ['bool', 't'],
    ['int2', '-32768'],
    ['int8', (2**63 - 1).to_s],
    ['float8', '0.1'],
    ['numeric', '12345678901234567890.123456789'],
    ['text', "it's \\ ü €\n"],
    ['text', ''],
    ['text', nil],
    ['bytea', '\\x00ff275c'],
    ['date', '2026-02-28'],
    ['interval', '3 days 00:00:07'],
    ['uuid', '01234567-89ab-cdef-0123-456789abcdef'],
    ['jsonb', '{"a": [1, null, "ü"]}'],
    ['int[]', '{1,NULL,3}'],
    ['text[]', '{a,"b,c\'",NULL}']
  ].each { |type, given| same(value("SELECT $1::#{type}", given), given) }
  bytes = { value: "\0\xff'\\".b, format: 1, type: 17 }
  same(DB.exec_params('SELECT $1', [bytes], 1).getvalue(0, 0), bytes[:value])
end

check 'ddl' do
  DB.exec('CREATE TABLE driver_ddl (id int)')
  DB.exec('DROP TABLE driver_ddl')
end

check 'listen' do
  DB.exec('LISTEN driver')
  DB.exec('UNLISTEN driver')
end

check 'zone' do
  same(DB.exec('SELECT DISTINCT tenant_id FROM orders').values, [['acme']])
  same(value('SELECT count(*) FROM orders WHERE tenant_id = $1', 'globex'), '0')
  same(value('INSERT INTO orders (note) VALUES ($1) RETURNING tenant_id', 'driver insert'), 'acme')
end

check 'prepared' do
  DB.prepare('twice', 'SELECT $1::int * 2')
  DB.prepare('tenant', 'SELECT tenant_id || $1 FROM orders LIMIT 1')
  same(DB.describe_prepared('twice').ftype(0), 23)
  (EXECUTIONS / 2).times do |number|
    same(DB.exec_prepared('twice', [number]).getvalue(0, 0), (number * 2).to_s)
    same(DB.exec_prepared('tenant', [number]).getvalue(0, 0), "acme#{number}")
  end
end

check 'deallocate' do
  DB.prepare('gone', 'SELECT 1')
  DB.exec('DEALLOCATE gone')
  fails_with('26000') { DB.exec_prepared('gone') }
end

check 'savepoints' do
  DB.transaction do
    DB.exec_params(INSERT, ['driver before'])
    DB.exec('SAVEPOINT a')
    DB.exec_params(INSERT, ['driver undone'])
    DB.exec('ROLLBACK TO a')
    DB.exec_params(INSERT, ['driver after'])
    DB.exec('SAVEPOINT b')
    DB.exec_params(INSERT, ['driver released'])
    DB.exec('RELEASE b')
  end
  begin
    DB.transaction do
      DB.exec_params(INSERT, ['driver rollback'])
      raise IndexError
    end
  rescue IndexError
    same(DB.transaction_status, PG::PQTRANS_IDLE)
  end
  DB.transaction do
    DB.exec('SAVEPOINT c')
    fails_with('22012') { value('SELECT 1 / $1::int', 0) }
    DB.exec('ROLLBACK TO c')
    DB.exec_params(INSERT, ['driver mended'])
  end
end

check 'recovery' do
  fails_with('22012') { value('SELECT 1 / $1::int', 0) }
  fails_with('42P01') { DB.exec('SELECT 1 FROM driver_nothing') }
  fails_with('42601') { DB.exec('SELEC 1') }
  fails_with('23505') { DB.exec_params('INSERT INTO orders (id, note) VALUES (1, $1)', ['driver lost']) }
  fails_with('42P01') { DB.prepare('bad', 'SELECT 1 FROM driver_nothing') }
  fails_with('26000') { DB.exec_prepared('bad', []) }
  DB.exec('BEGIN')
  DB.exec_params(INSERT, ['driver lost'])
  fails_with('22012') { value('SELECT 1 / $1::int', 0) }
  fails_with('25P02') { DB.exec('SELECT 1') }
  DB.exec('ROLLBACK')
  same(value('SELECT $1::int', 2), '2')
end

check 'settings' do
  zone = "SELECT current_setting('TimeZone')"
  before = value(zone)
  DB.exec("SET TimeZone TO 'Asia/Tokyo'")
  same(DB.parameter_status('TimeZone'), 'Asia/Tokyo')
  3.times { same(value(zone), 'Asia/Tokyo') }
  DB.exec('BEGIN')
  DB.exec("SET TimeZone TO 'Asia/Tbilisi'")
  same(value(zone), 'Asia/Tbilisi')
  DB.exec('ROLLBACK')
  same(value(zone), 'Asia/Tokyo')
  DB.exec('RESET TimeZone')
  same(value(zone), before)
end

check 'copy' do
  DB.copy_data('COPY imports (id, note) FROM STDIN') do
    1000.times { |number| DB.put_copy_data("#{number}\tdriver copy\n") }
  end
  count = 0
  DB.copy_data('COPY (SELECT id, note FROM imports ORDER BY id) TO STDOUT') { count += 1 while DB.get_copy_data }
  same(count, 1000)
end

check 'cancel' do
  other = connect
  ended = false
  asking = Thread.new do
    # The first request may come too early.
    until ended
      sleep 0.3
      other.cancel unless ended
    end
  end
  begin
    fails_with('57014') { other.exec('SELECT pg_sleep(30)') }
  ensure
    ended = true
    asking.join
  end
  same(value('SELECT 1', on: other), '1')
  other.close
end

check 'pipeline' do
  DB.enter_pipeline_mode
  50.times { |number| DB.send_query_params('SELECT $1::int', [number]) }
  DB.pipeline_sync
  DB.send_query_params(INSERT, ['driver pipeline'])
  DB.pipeline_sync
  DB.send_query_params('SELECT 1 / $1::int', [0])
  DB.send_query_params(INSERT, ['driver lost'])
  DB.pipeline_sync
  50.times do |number|
    same(DB.get_result.getvalue(0, 0), number.to_s)
    same(DB.get_result, nil)
  end
  same(DB.get_result.result_status, PG::PGRES_PIPELINE_SYNC)
  same(DB.get_result.cmd_tuples, 1)
  same(DB.get_result, nil)
  same(DB.get_result.result_status, PG::PGRES_PIPELINE_SYNC)
  fails_with('22012') { DB.get_result.check }
  same(DB.get_result, nil)
  same(DB.get_result.result_status, PG::PGRES_PIPELINE_ABORTED)
  same(DB.get_result, nil)
  same(DB.get_result.result_status, PG::PGRES_PIPELINE_SYNC)
  DB.exit_pipeline_mode
  same(value('SELECT $1::int', 7), '7')
end

check 'concurrent' do
  clients = Array.new(CLIENTS) { connect }
  threads = clients.each_with_index.map do |db, number|
    Thread.new do
      Thread.current.report_on_exception = false
      db.prepare('sum', 'SELECT $1::int + $2::int')
      ROUNDS.times do |round|
        db.transaction do
          db.exec_params(INSERT, ['driver concurrent'])
          same(db.exec_prepared('sum', [number, round]).getvalue(0, 0), (number + round).to_s)
        end
      end
      db.close
    end
  end
  threads.each(&:join)
end

DB.close
exit($failed ? 1 : 0)
