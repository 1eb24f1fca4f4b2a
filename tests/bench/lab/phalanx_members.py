"""Our side: one phalanxd, or a cluster of two, in the topology of the benchmarks."""
import json
import os
import re
import signal
import time

from .namespaces import LabError, run, wait_until
from .topology import LAN_GATEWAY, WAN_GATEWAY, Topology, own_address

NAMES = {1: "alpha", 2: "beta"}
CLUSTER_ID = 77
VIRTUAL_MAC = f"02:50:48:{CLUSTER_ID:02x}:00:01"  # of the first interface, lan

CONFIG = """
member: {{id: {member}, name: {name}}}
cluster:
  id: {cluster}
  when_isolated: {isolated}
  key_file: keys/cluster.key
  members:
{members}
sync: {{interface: sync0}}
management:
  listen: ["{own}:8117", "unix:{socket}"]
  tls: {{ca_file: keys/ca.pem, certificate_file: keys/{name}.pem, key_file: keys/{name}.key}}
interfaces:
  - {{name: lan, device: lan0, zone: inside, virtual_addresses: ["{lan}/16"]}}
  - {{name: wan, device: wan0, zone: outside, virtual_addresses: ["{wan}/16"]}}
policy:
  rules:
    - {{name: out, from: [inside], to: [outside], action: ACCEPT}}
sessions:
  max: {sessions}
  half_open_max: {half_open}
  timeouts: {{udp_new_s: {udp_timeout_s}, udp_stream_s: {udp_timeout_s}}}
"""


class Binaries:
    """Where a build has put our programs."""

    def __init__(self, build):
        build = os.path.abspath(build)
        self.daemon = os.path.join(build, "host/daemon/phalanxd")
        self.control = os.path.join(build, "mgmt/ctl/phalanxctl")
        self.tools = os.path.join(build, "tests/lab")
        self.engine = os.path.join(build, "tests/bench/bench_engine")
        self.sync = os.path.join(build, "tests/bench/sync/bench_sync")
        self.kernels = os.path.join(build, "tests/bench/kernels/bench_kernels")
        self.card = os.path.join(build, "tests/bench/card/bench_card")
        self.card_emulated = os.path.join(build, "tests/bench/card_emulated/bench_card_emulated")

    def tool(self, name):
        path = os.path.join(self.tools, "phalanx-" + name)
        if not os.access(path, os.X_OK):
            raise LabError(f"{path} is not built")
        return path


class Phalanx(Topology):
    """`members` phalanxd's of one cluster, the default profile."""

    def __init__(self, prefix, binaries, members=2, sessions=1 << 20, udp_timeout_s=600):
        for program in (binaries.daemon, binaries.control):
            if not os.access(program, os.X_OK):
                raise LabError(f"{program} is not built")
        super().__init__(prefix, members)
        self.label = "Phalanx"
        self.binaries = binaries
        self.sessions_max, self.udp_timeout_s = sessions, udp_timeout_s
        self.daemons = {}
        try:
            names = list(NAMES.values())[:members]
            addresses = [f"--address={NAMES[m]}={own_address('sync', m)}" for m in range(1, members + 1)]
            run(binaries.control, "keys", "init", os.path.join(self.folder, "keys"), "--members", ",".join(names), *addresses)
            for member in range(1, members + 1):
                self.start_member(member)
                if member == 1:
                    wait_until(lambda: self.state(1).startswith("ACTIVE"), "the first member is active", 20)
        except BaseException:
            self.close()
            raise

    def socket(self, member):
        return os.path.join(self.folder, f"{NAMES[member]}.sock")

    def start_member(self, member):
        rows = "\n".join(f"    - {{id: {m}, name: {NAMES[m]}, sync_address: {own_address('sync', m)}}}"
                         for m in range(1, self.members + 1))
        config = self.file(
            f"{NAMES[member]}.yaml",
            CONFIG.format(member=member, name=NAMES[member], cluster=CLUSTER_ID, members=rows, own=own_address("sync", member),
                          socket=self.socket(member), lan=LAN_GATEWAY, wan=WAN_GATEWAY, sessions=self.sessions_max,
                          half_open=min(self.sessions_max, 262144), udp_timeout_s=self.udp_timeout_s,
                          isolated="KEEP_ACTIVE"))
        self.daemons[member] = self.start(f"gw{member}", "phalanxd", self.binaries.daemon, "--config", config)

    def control(self, member, *command, check=True):
        """What phalanxctl says, as data. Exit code 4 (not healthy) is an answer, too."""
        text = run(self.binaries.control, "--target", f"unix:{self.socket(member)}", "--output", "json", *command,
                   check=check and "status" not in command and "health" not in command)
        try:
            return json.loads(text)
        except ValueError:
            return {}

    def status(self, member):
        return self.control(member, "cluster", "status").get("status") or {}

    def state(self, member):
        if not self.daemons[member].running():
            raise LabError(f"{NAMES[member]} ended: {self.daemons[member].text()[-800:]}")
        return self.status(member).get("state", "")

    def epoch(self):
        return max(int(self.status(member).get("epoch", 0)) for member in self.daemons)

    def active(self):
        return next((m for m, d in self.daemons.items() if d.running() and self.state(m).startswith("ACTIVE")), 0)

    def sessions(self, member):
        return int(self.control(member, "session", "count").get("count", -1))

    def wait_ready(self, timeout_s=25):
        """One active member; the other, if there is one, a standby that is in sync."""
        def ready():
            states = sorted(self.state(m) for m in self.daemons)
            if self.members == 1:
                return states[0].startswith("ACTIVE")
            return states == ["ACTIVE", "STANDBY"] and all(
                self.status(m).get("sync", {}).get("state") == "SYNCHRONIZED" for m in self.daemons)

        wait_until(ready, "one active member and a standby in sync", timeout_s, 0.1)
        self.exec("client", "ping", "-c1", "-W5", "10.2.0.10")

    def gateway_mac(self):
        return VIRTUAL_MAC

    def kill(self, member):
        self.daemons[member].send_signal(signal.SIGKILL)

    def hand_over(self, member):
        self.control(member, "cluster", "failover", "--yes", "--reason", "benchmark")

    def revive(self, member):
        self.restore(member)
        if not self.daemons[member].running():
            self.start_member(member)
        self.wait_ready()

    def full_sync_ms(self, member):
        """Durations of the full syncs that this member has taken, from its log."""
        return [int(ms) for ms in re.findall(r"full sync from \S+ ended after (\d+) ms", self.daemons[member].text())]

    def role_changes(self, member):
        """Lines of this member's log that say why it changed its role."""
        return [line for line in self.daemons[member].text().splitlines() if "CLUS-" in line and "->" in line]

    def restart(self, member):
        """Kill -9, and a new process at once."""
        self.kill(member)
        self.daemons[member].process.wait(5)
        self.start_member(member)
        return time.monotonic()
