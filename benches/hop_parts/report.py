"""Medians, ratios and the tables."""

from statistics import median

from .stack import HOPS, INJECTS


def medians(samples):
    """The median of every figure over the rounds."""
    figures = ("units", "cpu_us", "p50_us", "p99_us", "per_second")
    result = {}
    for figure in figures:
        values = [value for value in (getattr(sample, figure) for sample in samples) if value is not None]
        result[figure] = median(values) if values else None
    return result


def table(title, columns, rows):
    """A table of text: the first column to the left, the others to the right."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
    lines = [title, ""]
    for row in [columns, ["-" * width for width in widths], *rows]:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def number(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


def ratio(value, base):
    return "-" if value is None or not base else f"{value / base:.2f}"


class Results:
    """Samples by pool, workload, number of clients and hop; single figures beside them."""

    def __init__(self):
        self.samples, self.singles = {}, {}

    def add(self, pool, workload, clients, hop, sample):
        self.samples.setdefault((pool, workload, clients), {}).setdefault(hop, []).append(sample)

    def add_single(self, pool, figure, hop, value):
        self.singles.setdefault((pool, figure), {})[hop.name] = (hop, value)

    def print(self):
        for pool in dict.fromkeys(key[0] for key in [*self.samples, *self.singles]):
            print(f"\nPool behind the hops: PgBouncer {pool}\n")
            self.print_cpu(pool)
            self.print_injection(pool)
            self.print_latency(pool)
            self.print_singles(pool)

    def rows(self, pool):
        """(label, {hop: medians}) of one pool."""
        for (of, workload, clients), hops in self.samples.items():
            if of == pool:
                yield f"{workload}, {clients}", {hop: medians(samples) for hop, samples in hops.items()}

    def hops(self, pool):
        """The hops in their own order: a round may have begun with another one."""
        found = {hop.name: hop for key, hops in self.samples.items() if key[0] == pool for hop in hops}
        return sorted(found.values(), key=lambda hop: HOPS.index(hop.name))

    def print_cpu(self, pool):
        measured = [hop for hop in self.hops(pool) if hop.pid]
        by_name = {hop.name: hop for hop in measured}
        if not measured:
            return
        rows = []
        for label, values in self.rows(pool):
            row = [label]
            for hop in measured:
                own = values.get(hop, {}).get("cpu_us")
                base = values.get(by_name.get(hop.base), {}).get("cpu_us")
                row.append(number(own, 1) + ("" if hop.name == hop.base or own is None else f"  {ratio(own, base)}"))
            rows.append(row)
        title = "CPU of the hop, us per transaction (per MB: result, copy); then the ratio to HAProxy of the same kind"
        print(table(title, ["workload, clients", *(hop.name for hop in measured)], rows))

    def print_injection(self, pool):
        """What it costs to set something in every transaction."""
        hops = [hop for hop in self.hops(pool) if hop.name in INJECTS]
        rows = []
        for label, values in self.rows(pool):
            cpu = {hop.name: figures["cpu_us"] for hop, figures in values.items()}
            if any(cpu.get(INJECTS[hop.name]) and cpu.get(hop.name) for hop in hops):
                rows.append([label, *(ratio(cpu.get(hop.name), cpu.get(INJECTS[hop.name])) for hop in hops)])
        if rows:
            print(table("CPU of the hop, ratio to the same hop that injects nothing", ["workload, clients", *(h.name for h in hops)], rows))

    def print_latency(self, pool):
        hops = self.hops(pool)
        by_name = {hop.name: hop for hop in hops}
        keys = ("p50_us", "p99_us")

        def cell(hop, values):
            own, base = values.get(hop, {}), values.get(by_name.get(hop.base), {})
            text = "/".join(number(own.get(key), 0) for key in keys)
            ratios = "/".join(ratio(own.get(key), base.get(key)) for key in keys)
            return text if hop.name == hop.base or not own else f"{text}  {ratios}"

        rows = [
            [label, *(cell(hop, values) for hop in hops)]
            for label, values in self.rows(pool) if any(figures.get("p50_us") for figures in values.values())
        ]
        if not rows:
            return
        title = "Latency seen by the client, us, p50/p99; then the ratios to HAProxy of the same kind"
        print(table(title, ["workload, clients", *(h.name for h in hops)], rows))
        self.print_added(dict(self.rows(pool)).get("latency, 1", {}))

    @staticmethod
    def print_added(values):
        """With one client nothing waits for a core: the difference to no hop is what the hop adds."""
        direct = next((figures for hop, figures in values.items() if hop.pid is None), None)
        if not direct:
            return
        rows = [
            [hop.name, *(number(figures[key] - direct[key], 0) for key in ("p50_us", "p99_us"))]
            for hop, figures in values.items() if hop.pid
        ]
        print(table("Latency added, one client, extended, us", ["hop", "p50", "p99"], rows))

    def print_singles(self, pool):
        for (of, figure), values in self.singles.items():
            if of == pool:
                bases = {name: value for name, (hop, value) in values.items()}
                rows = [[name, number(value), ratio(value, bases.get(hop.base))] for name, (hop, value) in values.items()]
                print(table(figure, ["hop", "value", "ratio"], rows))

    def as_json(self):
        """Every sample, for other programs."""
        runs = [
            {"pool": pool, "workload": workload, "clients": clients, "hop": hop.name, "compared_with": hop.base,
             "median": medians(samples), "samples": [vars(sample) for sample in samples]}
            for (pool, workload, clients), hops in self.samples.items() for hop, samples in hops.items()
        ]
        singles = [
            {"pool": pool, "figure": figure, "hop": name, "value": value}
            for (pool, figure), values in self.singles.items() for name, (_, value) in values.items()
        ]
        return {"runs": runs, "figures": singles}
