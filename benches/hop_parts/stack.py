"""PostgreSQL, the pool, and the hops between a client and the pool."""

import re
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from .client import verifier
from .machine import REPOSITORY, is_ready

SCALE = 20
PASSWORD = "hop-bench-password"
USERS = ["bench", "bench_zone"]


@dataclass(frozen=True)
class Target:
    """How a client reaches a hop."""

    port: int
    tls: bool
    direct: bool
    user: str
    database: str
    authority: Path
    options: str = ""
    """For the server, in the startup packet."""
    password: str = PASSWORD

    def conninfo(self):
        words = [f"hostaddr=127.0.0.1 host=localhost port={self.port} user={self.user} dbname={self.database}"]
        if not self.tls:
            words.append("sslmode=disable")
        else:
            words.append(f"sslmode=verify-full sslrootcert={self.authority}")
            if self.direct:
                words.append("sslnegotiation=direct")
        if self.options:
            words.append(f"options='{self.options}'")
        return " ".join(words + ["gssencmode=disable"])


HOPS = ["direct", "haproxy", "pgbouncer", "portcullis", "portcullis-zone", "portcullis-signed", "portcullis-parameters",
        "haproxy-tls", "pgbouncer-tls", "portcullis-tls", "portcullis-zone-tls", "pgbouncer-tls-tls", "portcullis-tls-tls"]
"""`-tls`: towards the client; `-tls-tls`: towards the pool too, which HAProxy cannot do in PostgreSQL's protocol."""
BOTH_LEGS = ("extended", "memory")
INJECTS = {"portcullis-zone": "portcullis", "portcullis-signed": "portcullis", "portcullis-parameters": "portcullis",
           "portcullis-zone-tls": "portcullis-tls"}
"""What sets something in every transaction, and the same hop that does not."""


@dataclass(frozen=True)
class Hop:
    """One way to the pool. `pid` is `None` for the way without a hop."""

    name: str
    target: Target
    pid: int | None
    base: str
    """The hop it is compared with."""
    prepared: bool = True
    """Does it carry protocol-level prepared statements?"""
    only: tuple = ()
    """The workloads that it is measured with; empty: all."""

    def keeps_state(self):
        """Does it keep the parameters and prepared statements of a connection?"""
        return self.name.startswith("portcullis")

    def takes(self, workload):
        if workload == "memory" and self.name in INJECTS:
            return False
        return (not self.only or workload in self.only) and (self.prepared or workload != "prepared")


def tracks(pgbouncer):
    """Does this version carry protocol-level prepared statements through a transaction pool?"""
    return [int(n) for n in pgbouncer.split(".")] >= [1, 21]


class Stack:
    """Everything behind and including one pool."""

    def __init__(self, machine, programs, pool_version):
        self.machine, self.programs, self.pool_version = machine, programs, pool_version
        self.name = f"pool-{pool_version}"
        self.tracks = tracks(pool_version)

    def start(self, database, certificates, wanted):
        """Starts the pool and the hops that are wanted and can be had; returns the hops."""
        self.certificates, self.userlist = certificates, database.userlist
        pool = self.pgbouncer("pool", self.pool_version, database.port)[0]
        tls_pool = self.pgbouncer("tls-pool", self.pool_version, database.port, tls_in=True)[0]
        hops = [Hop("direct", self.target(pool), None, "haproxy", self.tracks)]
        for name in wanted:
            kind, *legs = name.split("-")
            make = {"haproxy": self.haproxy, "pgbouncer": self.second_pgbouncer, "portcullis": self.portcullis}.get(kind)
            hop = make and make(name, tls_pool if legs == ["tls", "tls"] else pool, legs)
            hops += [hop] if hop else []
        return [hop for hop in hops if hop.name in wanted]

    def target(self, port, tls=False, direct=False, user="bench", database="bench", options=""):
        return Target(port, tls, direct, user, database, self.certificates.authority, options)

    def haproxy(self, name, pool, legs):
        if not self.programs.haproxy or (legs and not self.programs.direct_tls()):
            return None
        port = self.machine.port()
        bind = f"ssl crt {self.certificates.chain_and_key} alpn postgresql" if legs else ""
        config = self.machine.write(f"{self.name}/{name}.cfg", HAPROXY.format(port=port, pool=pool, bind=bind))
        server = self.machine.start(f"{self.name}-{name}", [self.programs.haproxy, "-db", "-f", config], port)
        return Hop(name, self.target(port, bool(legs), direct=bool(legs)), server.pid, name, self.tracks)

    def second_pgbouncer(self, name, pool, legs):
        version = self.programs.newest_pgbouncer()
        port, pid = self.pgbouncer(name, version, pool, tls_in=bool(legs), tls_out=len(legs) == 2)
        return Hop(name, self.target(port, bool(legs)), pid, base(legs), self.tracks and tracks(version), only(legs))

    def pgbouncer(self, name, version, behind, tls_in=False, tls_out=False):
        port = self.machine.port()
        lines = CLIENT_TLS.format(c=self.certificates) if tls_in else ""
        lines += SERVER_TLS.format(c=self.certificates) if tls_out else "server_tls_sslmode = disable\n"
        if tracks(version):
            lines += f"max_prepared_statements = {200 if self.tracks else 0}\n"
        text = PGBOUNCER.format(port=port, behind=behind, userlist=self.userlist, lines=lines)
        config = self.machine.write(f"{self.name}/{name}.ini", text)
        command = [self.programs.pgbouncers[version], config]
        return port, self.machine.start(f"{self.name}-{name}", command, port).pid

    def portcullis(self, name, pool, legs):
        if not self.programs.portcullis:
            return None
        port, http = self.machine.port(), self.machine.port()
        tls, signed = "tls" in legs, legs == ["signed"]
        text = PORTCULLIS.format(
            policy=self.machine.write(f"{self.name}/{name}/production.toml", policy(signed)), port=port, http=http, pool=pool,
            userlist=self.userlist, c=self.certificates, client="require" if tls else "disable",
            server="verify-full" if legs == ["tls", "tls"] else "disable",
            zone_keys=f'zone_key_file = "{self.machine.write(f"{self.name}/{name}/zone-keys", ZONE_KEY)}"' if signed else "",
        )
        config = self.machine.write(f"{self.name}/{name}.toml", text)
        command = [self.program(), "serve", "--config", config]
        pid = self.machine.start(f"{self.name}-{name}", command, lambda: is_ready(http)).pid
        login = {"user": "bench_zone", "database": "bench" if signed else "tenants"} if name in INJECTS else {}
        if legs == ["parameters"]:
            login["options"] = " ".join(f"-c {parameter}" for parameter in PARAMETERS)
        # It prepares statements on a pool of any version.
        return Hop(name, self.target(port, tls, **login), pid, base(legs), only=only(legs))

    def program(self):
        """Portcullis where the servers' account can run it: root's home, say, is closed to it."""
        program = self.machine.directory / "portcullis"
        if not program.exists():
            shutil.copy(self.programs.portcullis, program)
            program.chmod(0o755)
        return program


def base(legs):
    """The hop to compare with."""
    return "haproxy-tls" if "tls" in legs else "haproxy"


def only(legs):
    return BOTH_LEGS if legs == ["tls", "tls"] else ()


class Database:
    """A PostgreSQL cluster with pgbench's tables."""

    def __init__(self, machine, programs, scale):
        self.port = machine.port()
        bin_, data = programs.postgres, machine.directory / "data"
        machine.run(f"{bin_}/initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        config = data / "postgresql.conf"
        config.write_text(config.read_text() + POSTGRES.format(port=self.port, directory=machine.directory))
        self.pid = machine.start("postgres", [f"{bin_}/postgres", "-D", data], self.port, signal.SIGINT).pid
        self.psql = [f"{programs.clients}/psql", "-qXAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1",
                     "-p", self.port, "-U", "postgres"]
        machine.run(*self.psql, "-d", "postgres", "-c", "create database bench")
        verifiers = {user: verifier(PASSWORD) for user in USERS}
        self.userlist = machine.write("userlist.txt", "".join(f'"{u}" "{v}"\n' for u, v in verifiers.items()))
        machine.run(f"{programs.clients}/pgbench", "-i", "-q", "-s", scale, "-h", "127.0.0.1", "-p", self.port,
                    "-U", "postgres", "bench")
        for user, secret in verifiers.items():
            self.execute(machine, f"create role {user} login password '{secret}'",
                         f"grant all on all tables in schema public to {user}")
        self.execute(machine, "create unlogged table copied (id int, filler text)",
                     f"grant insert, select on copied to {', '.join(USERS)}", "vacuum analyze", "checkpoint")
        machine.run(*self.psql, "-d", "bench", "-f", REPOSITORY / "deploy/sql/zone.sql")
        self.execute(machine, f"select portcullis.add_key('k1', '\\x{ZONE_SECRET}')")
        # From here on every login proves itself, as in production.
        (data / "pg_hba.conf").write_text("host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        self.execute(machine, "select pg_reload_conf()")

    def execute(self, machine, *statements):
        """Runs statements as the superuser, past every pool."""
        words = [word for statement in statements for word in ("-c", statement)]
        machine.run(*self.psql, "-d", "bench", *words)


class Certificates:
    """An authority of its own and one certificate (ECDSA P-256) for every server."""

    def __init__(self, machine):
        directory = machine.directory / "tls"
        directory.mkdir()
        machine.hand_over(directory)
        self.authority, self.certificate, self.key = (directory / n for n in ("ca.crt", "server.crt", "server.key"))
        ca_key, request = directory / "ca.key", directory / "server.csr"
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        machine.run("openssl", "req", "-x509", *curve, "-keyout", ca_key, "-out", self.authority, "-days", "7",
                    "-subj", "/CN=hop bench CA", "-addext", "keyUsage=critical,keyCertSign")
        names = machine.write("tls/names", "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
        machine.run("openssl", "req", "-new", *curve, "-keyout", self.key, "-out", request, "-subj", "/CN=localhost")
        machine.run("openssl", "x509", "-req", "-in", request, "-CA", self.authority, "-CAkey", ca_key,
                    "-CAcreateserial", "-out", self.certificate, "-days", "7", "-extfile", names)
        self.chain_and_key = machine.write("tls/both.pem", self.certificate.read_text() + self.key.read_text())


POSTGRES = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{directory}'
max_connections = 600
shared_buffers = 512MB
fsync = off
full_page_writes = off
synchronous_commit = off
max_wal_size = 4GB
autovacuum = off
"""

PGBOUNCER = """[databases]
bench = host=127.0.0.1 port={behind} dbname=bench
tenants = host=127.0.0.1 port={behind} dbname=bench

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {userlist}
pool_mode = transaction
default_pool_size = 70
max_client_conn = 6000
ignore_startup_parameters = extra_float_digits
log_connections = 0
log_disconnections = 0
{lines}"""

CLIENT_TLS = """client_tls_sslmode = require
client_tls_ca_file = {c.authority}
client_tls_cert_file = {c.certificate}
client_tls_key_file = {c.key}
"""

SERVER_TLS = """server_tls_sslmode = verify-full
server_tls_ca_file = {c.authority}
"""

HAPROXY = """global
    maxconn 8000

defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h

listen hop
    bind 127.0.0.1:{port} {bind}
    server pool 127.0.0.1:{pool}
"""

PORTCULLIS = """schema = 1
policy = "{policy}"

[listen]
postgres = "127.0.0.1:{port}"
http = "127.0.0.1:{http}"
max_client_conn = 6000

[client_tls]
sslmode = "{client}"
cert_file = "{c.certificate}"
key_file = "{c.key}"

[server_tls]
sslmode = "{server}"
ca_file = "{c.authority}"

[auth]
auth_file = "{userlist}"
{zone_keys}

[route.transaction]
hosts = ["localhost:{pool}"]

[log]
format = "json"
"""

# Ten that Portcullis keeps for the client; the policy's ceilings allow them.
PARAMETERS = ["statement_timeout=60s", "lock_timeout=10s", "idle_in_transaction_session_timeout=60s", "search_path=public",
              "work_mem=8MB", "jit=off", "client_min_messages=warning", "intervalstyle=iso_8601", "random_page_cost=1.1",
              "cursor_tuple_fraction=0.2"]

# What signs the zones of `portcullis-signed`. A token is for the database by the name that the client gives,
# so that login does not go by the pool's other name for it.
ZONE_SECRET = "07" * 32
ZONE_KEY = f'"bench" "k1" "{ZONE_SECRET}"\n'

# The logins that the hops are measured with, instead of those of policies/production.toml.
LOGINS = """[login.bench]
kind = "service"
databases = ["bench"]

[login.bench_zone]
kind = "service"
databases = ["tenants"]
zone = "acme"

"""


def policy(signed=False):
    """policies/production.toml as it is shipped: its guards, rules and zone, with the logins of the bench."""
    shipped = (REPOSITORY / "policies/production.toml").read_text()
    text, changed = re.subn(r'^databases( *)= \["shop"\]', r'databases\1= ["tenants"]', shipped, count=1, flags=re.MULTILINE)
    # A table ends where the next one begins.
    text, removed = re.subn(r"^\[login\.[^\n]*\n.*?(?=^\[(?!login))", LOGINS, text, count=1, flags=re.MULTILINE | re.DOTALL)
    if not (changed and removed):
        raise RuntimeError("policies/production.toml has no zone for database shop, or no logins, any more")
    if signed:
        text = text.replace('"tenants"', '"bench"')
        text, changed = re.subn(r'^protection( *)= "plain"', r'protection\1= "signed"', text, count=1, flags=re.MULTILINE)
        if not changed:
            raise RuntimeError("policies/production.toml has no zone with protection \"plain\" any more")
    return text
