"""engine, sync, kernels, card: the micro-benchmarks' own reports; for sync, conntrackd's figures beside ours."""
import json
import os
import signal
import time

import figures
from lab.kernel_routers import ConntrackLimits, KernelCluster
from lab.namespaces import LabError, run, wait_until
from lab.traffic import Traffic

# New flows a second through the peer: fast, so that a wake-up of its daemons serves several of them.
RATES = (("udp", 40000), ("tcp", 10000))


def _report_of(program, *options, timeout_s, report_option=("--report",)):
    if not os.access(program, os.X_OK):
        raise LabError(f"{program} is not built (cmake -DPHALANX_BENCH=ON)")
    path = f"/tmp/phalanx-bench-{os.getpid()}.json"
    try:
        run(program, *options, *report_option, path, timeout_s=timeout_s)
        with open(path) as file:
            return json.load(file)["figures"]
    finally:
        if os.path.exists(path):
            os.unlink(path)


def engine(context):
    """bench_engine has its peers (rte_hash, absl::flat_hash_map) in its own process."""
    rows = _report_of(context.binaries.engine, *(["--quick"] if context.quick else []), timeout_s=600)
    for row in rows:
        row["name"] = "engine_" + row["name"]
        row["goal_is"] = {"ours at most": "ours<=", "ratio at least": "ratio>="}[row["goal_is"]]
    return rows


def kernels(context):
    """The card's kernels in the stage-level model: cycles that are counted, so the machine plays no part."""
    return _report_of(context.binaries.kernels, timeout_s=300)


def card(context):
    """The emulated card by XRT and by OpenCL, and the host's CPU time with a card beside the CPU engine's."""
    rows = _report_of(context.binaries.card_emulated, timeout_s=180)
    return rows + _report_of(context.binaries.card, timeout_s=180, report_option=())


class ConntrackdCost:
    """CPU and bytes of conntrackd for each new flow: the daemons' own CPU time and the sync cable's counters."""

    def __init__(self, cluster):
        self.cluster = cluster

    def _now(self):
        sent = int(self.cluster.exec("gw1", "cat", "/sys/class/net/sync0/statistics/tx_bytes"))
        return [self.cluster.conntrackd[1].cpu_s(), self.cluster.conntrackd[2].cpu_s(), sent]

    def measure(self, traffic, protocol, rate, seconds):
        """A round: (sender us, receiver us, bytes) a flow, and the same of its creation alone. Every flow ends within the
        round, as in our own benchmark: the table is flushed, for the kernel itself takes its time to look."""
        before = self._now()
        flows = traffic.finish_new_flows(traffic.start_new_flows(rate, seconds, protocol, 7004), seconds)["opened"]
        if not flows:
            raise LabError(f"no {protocol} flow was opened")
        time.sleep(0.5)
        created = self._now()
        self.cluster.exec("gw1", "conntrack", "-F")
        wait_until(lambda: self.cluster.cached(2, "external") < flows // 100, "the flows have ended", 30, 0.2)
        time.sleep(0.5)
        ended = self._now()
        traffic.servers.pop("newflows").stop(signal.SIGINT)
        return [[(b - a) * scale / flows for a, b, scale in zip(before, after, (1e6, 1e6, 1))] for after in (ended, created)]


def sync(context):
    """Ours: bench_sync, whole lives of flows. Theirs: the same lives through a kernel router with conntrackd."""
    theirs = {}
    seconds, rounds = (2, 1) if context.quick else (4, 3)
    try:
        with ConntrackLimits(), KernelCluster(context.prefix("sk"), keepalived=False) as cluster:
            cost, traffic = ConntrackdCost(cluster), Traffic(cluster, context.binaries)
            for protocol, rate in RATES:
                cost.measure(traffic, protocol, rate, seconds)  # its memory is new to it the first time
                values = [cost.measure(traffic, protocol, rate, seconds) for _ in range(rounds)]
                for place, what in enumerate(("sender_cpu", "receiver_cpu", "bytes")):
                    theirs[f"sync_{what}_{protocol}_flow"] = [[value[part][place] for value in values] for part in (0, 1)]
    except LabError as error:
        context.say(f"conntrackd could not be measured: {error}")
    rows = []
    for row in _report_of(context.binaries.sync, timeout_s=300):
        row["goal_is"] = "ours<=" if row["goal"] is not None else None
        values = theirs.get(row["name"].replace("_at_20k_flows_s", ""))
        row["peer"] = "conntrackd 1.4.7 FT-FW" if values else ""
        if values:
            row["theirs"] = figures.median(values[0])
            row["note"] = f"theirs: creation alone {figures.median(values[1]):.1f}"
            row["ratio"] = row["ours"] / row["theirs"] if row["theirs"] else None
        rows.append(row)
    return rows
