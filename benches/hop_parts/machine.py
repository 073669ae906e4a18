"""The machine: where the programs are, who runs them, free ports, starting and ending servers."""

import glob
import os
import pwd
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DESCRIPTORS = 20_000


class Unavailable(Exception):
    """A part that this run needs is not on the machine."""


def output(*command, **options):
    """What a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def version(program, *arguments):
    """The first version number that a program prints about itself."""
    found = re.search(r"\d+\.\d+(\.\d+)?", output(program, *(arguments or ("--version",))))
    return found.group() if found else "?"


class Programs:
    """Paths of everything a run starts. `None` where a part is missing."""

    def __init__(self, portcullis):
        parts = Path(self._parts_directory()) / "trixie/usr"
        self.postgres = newest("/usr/lib/postgresql/*/bin") or newest(f"{parts}/lib/postgresql/*/bin")
        self.clients = newest(f"{parts}/lib/postgresql/*/bin") or self.postgres
        if not self.postgres:
            raise Unavailable("PostgreSQL is missing (deploy/parts debian)")
        self.haproxy = self._find("haproxy")
        self.strace = self._find("strace")
        self.portcullis = portcullis if portcullis and os.access(portcullis, os.X_OK) else None
        found = [p for p in (f"{parts}/sbin/pgbouncer", self._find("pgbouncer")) if p and os.access(p, os.X_OK)]
        self.pgbouncers = {".".join(version(p).split(".")[:2]): p for p in found}
        if not self.pgbouncers:
            raise Unavailable("PgBouncer is missing (deploy/parts debian, deploy/parts trixie)")

    @staticmethod
    def _parts_directory():
        script = REPOSITORY / "deploy/parts"
        if "PORTCULLIS_PARTS" in os.environ or not script.exists():
            return os.environ.get("PORTCULLIS_PARTS", REPOSITORY / "target/parts")
        return output(script, "where").strip()

    @staticmethod
    def _find(name):
        return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")

    def newest_pgbouncer(self):
        return max(self.pgbouncers, key=lambda v: [int(n) for n in v.split(".")])

    def direct_tls(self):
        """Can the client begin with TLS, as HAProxy needs it? (libpq 17)"""
        return int(version(f"{self.clients}/pgbench").split(".")[0]) >= 17

    def versions(self):
        return {
            "postgresql": version(f"{self.postgres}/postgres"),
            "pgbench": version(f"{self.clients}/pgbench"),
            "pgbouncer": sorted(self.pgbouncers),
            "haproxy": version(self.haproxy, "-v") if self.haproxy else None,
            "portcullis": version(self.portcullis) if self.portcullis else None,
        }


def newest(pattern):
    """The directory with the highest number among those that match and hold a pgbench or postgres."""
    found = [d for d in glob.glob(pattern) if glob.glob(f"{d}/initdb")]
    return max(found, key=lambda d: int(re.search(r"/(\d+)/bin", d).group(1)), default=None)


def accepts(port):
    """Does this port take connections?"""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def is_ready(http_port):
    """Does /health/ready answer 200?"""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{http_port}/health/ready", timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False


class Machine:
    """A temporary directory and the servers in it. A context manager: nothing outlives it."""

    def __init__(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if os.geteuid() == 0:
            hard = max(hard, DESCRIPTORS)
        self.descriptors = min(hard, DESCRIPTORS)
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors, hard))
        # PostgreSQL and PgBouncer do not run as root.
        self.account = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        self.servers = []
        self.next_port = 20_000 + os.getpid() % 5_000

    def __enter__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="portcullis-hop."))
        self.hand_over(self.directory)
        return self

    def __exit__(self, *_):
        for server in reversed(self.servers):
            server.end()
        shutil.rmtree(self.directory, ignore_errors=True)

    def hand_over(self, path):
        """Gives a file to the account that the servers run under."""
        if os.geteuid() == 0:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)

    def write(self, name, text, mode=0o600):
        path = self.directory / name
        for parent in [path.parent.parent, path.parent]:
            if not parent.exists():
                parent.mkdir()
                self.hand_over(parent)
        path.write_text(text)
        path.chmod(mode)
        self.hand_over(path)
        return path

    def port(self):
        """A free port below the range of outgoing connections."""
        while True:
            self.next_port += 1
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", self.next_port))
                    return self.next_port
                except OSError:
                    continue

    def as_account(self, death_signal):
        """The words before a command that runs it under the servers' account and ends it with us."""
        words = ["setpriv", "--pdeathsig", death_signal]
        if os.geteuid() == 0:
            words += [f"--reuid={self.account.pw_uid}", f"--regid={self.account.pw_gid}", "--clear-groups"]
        return words + ["--"]

    def run(self, *command):
        """Runs a command under the servers' account to its end."""
        words = [*self.as_account("KILL"), *map(str, command)]
        done = subprocess.run(words, capture_output=True, text=True, cwd=self.directory)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")

    def start(self, name, command, answers, end_signal=signal.SIGTERM):
        """Starts a server and waits until `answers()` is true (or a port, for a number, takes connections)."""
        server = Server(self, name, command, end_signal)
        self.servers.append(server)
        server.wait_for(answers if callable(answers) else lambda: accepts(answers))
        return server


class Server:
    """A process in the foreground that writes to a log of its own."""

    def __init__(self, machine, name, command, end_signal):
        self.name, self.end_signal = name, end_signal
        self.log = machine.directory / f"{name}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [*machine.as_account("INT" if end_signal == signal.SIGINT else "KILL"), *map(str, command)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=machine.directory,
                env={**os.environ, "LC_ALL": "C.UTF-8"},
            )
        self.pid = self.process.pid

    def wait_for(self, answers, patience=20):
        until = time.monotonic() + patience
        while time.monotonic() < until and self.process.poll() is None:
            if answers():
                return
            time.sleep(0.05)
        tail = self.log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{self.name} did not start; its log ends with:\n{tail}")

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(self.end_signal)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
