"""engine, sync: the two micro-benchmarks' own reports; for sync, conntrackd's figures beside ours."""
import json
import os
import signal
import time

import figures
from lab.kernel_routers import ConntrackLimits, KernelCluster
from lab.namespaces import LabError, run, wait_until
from lab.traffic import Traffic


def _report_of(program, *options, timeout_s):
    if not os.access(program, os.X_OK):
        raise LabError(f"{program} is not built (cmake -DPHALANX_BENCH=ON)")
    path = f"/tmp/phalanx-bench-{os.getpid()}.json"
    try:
        run(program, *options, "--report", path, timeout_s=timeout_s)
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


class ConntrackdCost:
    """CPU and bytes of conntrackd for each new flow: the daemons' own CPU time and the sync cable's counters."""

    def __init__(self, cluster):
        self.cluster = cluster

    def _now(self):
        sent = int(self.cluster.exec("gw1", "cat", "/sys/class/net/sync0/statistics/tx_bytes"))
        return [self.cluster.conntrackd[1].cpu_s(), self.cluster.conntrackd[2].cpu_s(), sent]

    def measure(self, traffic, protocol, rate, seconds):
        """A round: (sender us, receiver us, bytes) a flow. All flows end within it, as in our own benchmark."""
        before = self._now()
        flows = traffic.finish_new_flows(traffic.start_new_flows(rate, seconds, protocol, 7004), seconds)["opened"]
        wait_until(lambda: self.cluster.cached(1, "internal") < flows // 100, "the flows have ended", 60, 0.5)
        time.sleep(1.0)
        after = self._now()
        traffic.servers.pop("newflows").stop(signal.SIGINT)
        if not flows:
            raise LabError(f"no {protocol} flow was opened")
        return [(b - a) * scale / flows for a, b, scale in zip(before, after, (1e6, 1e6, 1))]


def sync(context):
    """Ours: bench_sync, whole lives of flows. Theirs: the same lives through a kernel router with conntrackd."""
    theirs = {}
    seconds, rounds = (3, 1) if context.quick else (5, 3)
    try:
        with ConntrackLimits(), KernelCluster(context.prefix("sk"), udp_timeout_s=4, keepalived=False) as cluster:
            for timeout in ("tcp_timeout_close", "tcp_timeout_time_wait"):
                cluster.sysctl("gw1", f"net.netfilter.nf_conntrack_{timeout}", 2)
            cost, traffic = ConntrackdCost(cluster), Traffic(cluster, context.binaries)
            for protocol, rate in (("udp", 10000), ("tcp", 5000)):
                values = [cost.measure(traffic, protocol, rate, seconds) for _ in range(rounds)]
                for place, what in enumerate(("sender_cpu", "receiver_cpu", "bytes")):
                    theirs[f"sync_{what}_{protocol}_flow"] = [value[place] for value in values]
    except LabError as error:
        context.say(f"conntrackd could not be measured: {error}")
    rows = []
    for row in _report_of(context.binaries.sync, timeout_s=300):
        row["goal_is"] = "ours<=" if row["goal"] is not None else None
        values = theirs.get(row["name"].replace("_at_20k_flows_s", ""))
        row["peer"] = "conntrackd 1.4.7 FT-FW" if values else ""
        if values:
            row["theirs"] = figures.median(values)
            row["ratio"] = row["ours"] / row["theirs"] if row["theirs"] else None
        rows.append(row)
    return rows
