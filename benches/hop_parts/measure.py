"""What a hop costs: CPU, latency, system calls, memory."""

import glob
import math
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass

from .client import Client, copy_rows
from .machine import Unavailable
from .stack import SCALE

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
MARGIN = 0.3
"""Seconds that a client still runs after the window."""
COPY_ROWS_BYTES = 100
COPY_CHUNK = copy_rows(5_000)


def read_if_there(path):
    """A file of a thread, or nothing if the thread has just ended."""
    try:
        with open(path) as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""


class Cpu:
    """CPU time that a process had used when this was made."""

    def __init__(self, pid):
        self.pid = pid
        self.threads = {}
        for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
            if text := read_if_there(path):
                self.threads[path] = int(text.split()[0])
        fields = read_if_there(f"/proc/{pid}/stat").rpartition(")")[2].split()
        if not fields:
            raise RuntimeError(f"the hop with pid {pid} has ended")
        self.process = (int(fields[11]) + int(fields[12])) * TICK_NS

    def ns(self):
        """Used since then, by all threads.

        schedstat is exact but knows living threads only; stat knows all, in clock ticks. Where they differ by more
        than the ticks explain, a thread has ended in between.
        """
        now = Cpu(self.pid)
        living = sum(used - self.threads.get(thread, 0) for thread, used in now.threads.items())
        process = now.process - self.process
        return process if process - living > 2 * TICK_NS else living


def pss_kib(pid):
    """Memory of a process, shared pages by halves."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return int(re.search(r"^Pss:\s+(\d+)", file.read(), re.M).group(1))


@dataclass
class Sample:
    """One run of one workload through one hop."""

    units: float
    """Transactions, or megabytes."""
    cpu_us: float | None
    """Of the hop, per unit."""
    p50_us: float | None = None
    p99_us: float | None = None
    per_second: float | None = None


def percentile(ordered, fraction):
    return ordered[min(len(ordered) - 1, int(len(ordered) * fraction))] if ordered else None


class Bench:
    """Runs clients against a hop."""

    def __init__(self, machine, programs):
        self.machine, self.programs = machine, programs
        self.logs = machine.directory / "pgbench"
        self.logs.mkdir()

    def pgbench(self, hop, arguments):
        """Starts a pgbench."""
        command = [f"{self.programs.clients}/pgbench", "-n", *map(str, arguments), hop.target.conninfo()]
        environment = {**os.environ, "PGPASSWORD": hop.target.password, "LC_ALL": "C.UTF-8"}
        return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *command], env=environment, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    @staticmethod
    def finish(hop, process):
        out, err = process.communicate()
        failed = re.search(r"number of failed transactions: (\d+)", out)
        if process.returncode != 0 or "aborted" in err or (failed and failed.group(1) != "0"):
            raise RuntimeError(f"pgbench through {hop.name}: {out}{err}")
        return out

    def transactions(self, hop, arguments, seconds, clients):
        """A window of `seconds` in the middle of a run: logins, and what began before or ended after, are not in it."""
        for log in self.logs.iterdir():
            log.unlink()
        patience = min(0.5 + 0.01 * clients, seconds)
        duration = ["-T", math.ceil(patience + seconds + MARGIN), "-l", f"--log-prefix={self.logs}/log"]
        run = self.pgbench(hop, [*arguments, *duration, "-c", clients, "-j", min(clients, 2)])
        self.wait_running(patience)
        begin, cpu = time.time(), hop.pid and Cpu(hop.pid)
        time.sleep(seconds)
        end, used = time.time(), cpu and cpu.ns()
        self.finish(hop, run)
        latencies = sorted(self.latencies(begin, end))
        if not latencies:
            raise RuntimeError(f"no transaction through {hop.name} in {seconds} s")
        count = len(latencies)
        return Sample(count, used and used / 1000 / count, percentile(latencies, 0.5), percentile(latencies, 0.99),
                      count / (end - begin))

    def wait_running(self, patience):
        """Until pgbench has logged its first transactions: by then all its clients are logged in."""
        until = time.monotonic() + patience
        while time.monotonic() < until and not any(log.stat().st_size for log in self.logs.iterdir()):
            time.sleep(0.02)
        time.sleep(0.1)

    def latencies(self, begin, end):
        """Of the transactions that ended between the two times, in microseconds (pgbench -l)."""
        for log in self.logs.iterdir():
            with open(log) as lines:
                for line in lines:
                    _, _, latency, _, second, micro = line.split()[:6]
                    if begin <= int(second) + int(micro) / 1e6 < end:
                        yield int(latency)

    def copy_in(self, hop, megabytes):
        """COPY FROM STDIN, a message per row of 100 bytes, over one connection."""
        times = max(1, round(megabytes * 1e6 / (5_000 * COPY_ROWS_BYTES)))
        client = Client(hop.target)
        cpu, begin = hop.pid and Cpu(hop.pid), time.time()
        client.copy_in("copy copied from stdin", COPY_CHUNK, times)
        seconds = time.time() - begin
        used = cpu and cpu.ns()
        client.close()
        amount = times * 5_000 * COPY_ROWS_BYTES / 1e6
        return Sample(amount, used and used / 1000 / amount, per_second=amount / seconds)

    def syscalls(self, hop, arguments, clients, transactions):
        """System calls per transaction: two runs of different length, so that the logins cancel out."""
        if not self.programs.strace:
            raise Unavailable("strace is missing")
        short = self.strace(hop, [*arguments, "-c", clients, "-t", 1])
        long = self.strace(hop, [*arguments, "-c", clients, "-t", 1 + transactions])
        return (long - short) / (clients * transactions)

    def strace(self, hop, arguments):
        report = self.logs / "strace"
        tracer = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", self.programs.strace, "-f", "-c", "-U",
                                   "calls,name", "-o", report, "-p", str(hop.pid)],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.wait_traced(hop.pid, tracer)
        self.finish(hop, self.pgbench(hop, arguments))
        time.sleep(0.3)
        tracer.send_signal(signal.SIGINT)
        tracer.communicate()
        total = re.search(r"^\s*(\d+)\s+total$", report.read_text(), re.M)
        return int(total.group(1))

    @staticmethod
    def wait_traced(pid, tracer):
        """Until every thread is traced."""
        for _ in range(200):
            statuses = [read_if_there(path) for path in glob.glob(f"/proc/{pid}/task/*/status")]
            if all(re.search(r"^TracerPid:\s+[1-9]", status, re.M) for status in statuses if status):
                return
            if tracer.poll() is not None:
                raise Unavailable("strace may not attach: " + tracer.stderr.read().strip())
            time.sleep(0.02)
        raise Unavailable("strace did not attach in time")

    def idle_kib(self, hop, connections, tell):
        """Memory per connection that has run one query and is idle now, to `tell`; where the hop keeps what belongs to
        a connection, the same once each has set parameters and prepared statements."""
        Client(hop.target).close()
        time.sleep(0.5)
        before = pss_kib(hop.pid)
        clients = []
        try:
            for _ in range(connections):
                client = Client(hop.target)
                clients.append(client)
                client.query("select 1")
            time.sleep(1)
            tell("idle connection", (pss_kib(hop.pid) - before) / connections)
            if hop.keeps_state():
                for client in clients:
                    load(client)
                time.sleep(1)
                tell(LADEN, (pss_kib(hop.pid) - before) / connections)
        finally:
            for client in clients:
                client.close()


LADEN = "idle connection with 5 parameters and 20 prepared statements"


def load(client):
    """What LADEN says."""
    for parameter in ("statement_timeout = '60s'", "lock_timeout = '10s'", "search_path = public", "work_mem = '8MB'",
                      "timezone = 'Asia/Tokyo'"):
        client.query(f"set {parameter}")
    for number in range(20):
        columns = "aid, abalance, filler from pgbench_accounts where aid = $1 and bid"
        client.prepare(f"statement_{number}", f"select {columns} > {number} order by abalance")


# What pgbench runs, by the workload's name.
SELECT = ["-S", "-s", SCALE]
TRANSACTIONS = {
    "simple": [*SELECT, "-M", "simple"],
    "extended": [*SELECT, "-M", "extended"],
    "prepared": [*SELECT, "-M", "prepared"],
    "latency": [*SELECT, "-M", "extended"],
    "tpcb": ["-s", SCALE, "-M", "extended"],
}
