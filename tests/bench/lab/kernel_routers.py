"""The peer: Linux kernel routers with nftables connection tracking, keepalived (VRRPv3) and conntrackd (FT-FW)."""
import os
import re
import signal
import time

from .namespaces import LabError, run, wait_until
from .topology import LAN_GATEWAY, WAN_GATEWAY, Topology, own_address

POLICY = """
table inet gateway {
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname "lan0" oifname "wan0" accept
  }
}
"""

KEEPALIVED = """
global_defs {{
  router_id gw{member}
  vrrp_version 3
  vrrp_rt_priority 50
  vrrp_rlimit_rttime 10000000
  vrrp_no_swap
  vrrp_garp_master_delay 1
  script_user root
}}
vrrp_sync_group gateway {{
  group {{
    lan
    wan
  }}
  notify_master "{script} primary"
  notify_backup "{script} backup"
  notify_fault "{script} fault"
}}
{instances}
"""

INSTANCE = """
vrrp_instance {network} {{
  state BACKUP
  interface {network}0
  virtual_router_id {router}
  priority {priority}
  advert_int {advert_s}
  nopreempt
  virtual_ipaddress {{
    {address}/16
  }}
}}
"""

CONNTRACKD = """
Sync {{
  Mode FTFW {{
    ResendQueueSize 131072
    ACKWindowSize 300
    PurgeTimeout 60
  }}
  UDP {{
    IPv4_address {own}
    IPv4_Destination_Address {peer}
    Port 3780
    Interface sync0
    SndSocketBuffer 67108864
    RcvSocketBuffer 67108864
    Checksum on
  }}
}}
General {{
  HashSize 1048576
  HashLimit 8388608
  LogFile {folder}/conntrackd{member}.log
  Syslog off
  LockFile {folder}/conntrackd{member}.lock
  UNIX {{
    Path {folder}/ct{member}.ctl
  }}
  NetlinkBufferSize 67108864
  NetlinkBufferSizeMaxGrowth 536870912
  Filter From Userspace {{
    Address Ignore {{
      IPv4_address 127.0.0.1
      IPv4_address {own}
      IPv4_address {peer}
    }}
  }}
}}
"""

# What conntrackd's own primary-backup.sh does. Each line says when it was called and when it was done.
NOTIFY = """#!/bin/sh
ctl="/usr/sbin/conntrackd -C {config}"
echo "$(date +%s.%N) $1 begins" >> {log}
if [ -S {socket} ]; then
  case "$1" in
    primary) $ctl -c; $ctl -f; $ctl -R; $ctl -B ;;
    backup) $ctl -t; $ctl -n ;;
    fault) $ctl -t ;;
  esac > /dev/null 2>&1
fi
echo "$(date +%s.%N) $1 done" >> {log}
"""


class ConntrackLimits:
    """Room for millions of connections; these two are the machine's, so what they were comes back."""

    FILES = {"/proc/sys/net/netfilter/nf_conntrack_buckets": 1 << 20, "/proc/sys/net/netfilter/nf_conntrack_max": 1 << 22}

    def __enter__(self):
        self.before = {}
        for path, value in self.FILES.items():
            with open(path) as file:
                self.before[path] = file.read().strip()
            with open(path, "w") as file:
                file.write(str(value))
        return self

    def __exit__(self, *_):
        for path, value in self.before.items():
            with open(path, "w") as file:
                file.write(value)


def make_router(topology, member):
    """Forwarding with connection tracking, RPS over all cores."""
    name = f"gw{member}"
    for key, value in (("net.ipv4.ip_forward", 1), ("net.ipv4.conf.all.send_redirects", 0),
                       ("net.netfilter.nf_conntrack_tcp_be_liberal", 1)):
        topology.sysctl(name, key, value)
    topology.exec(name, "nft", "-f", "-", stdin=POLICY)
    topology.spread_receive(name, ("lan0", "wan0"))


class KernelGateway(Topology):
    """One kernel router between client and server."""

    label = "Linux kernel, nftables conntrack, RPS"

    def __init__(self, prefix):
        super().__init__(prefix, 1)
        try:
            self.ip("gw1", "addr", "add", f"{LAN_GATEWAY}/16", "dev", "lan0")
            self.ip("gw1", "addr", "add", f"{WAN_GATEWAY}/16", "dev", "wan0")
            make_router(self, 1)
        except BaseException:
            self.close()
            raise

    def gateway_mac(self):
        return self.mac("gw1", "lan0")

    def wait_ready(self):
        self.exec("client", "ping", "-c1", "-W5", "10.2.0.10")

    def sessions(self, member=1):
        return int(self.exec(f"gw{member}", "sysctl", "-n", "net.netfilter.nf_conntrack_count"))


class KernelCluster(Topology):
    """Two kernel routers, keepalived and conntrackd. `advert_s`: time between VRRP advertisements."""

    def __init__(self, prefix, advert_s=0.03, udp_timeout_s=600, keepalived=True):
        super().__init__(prefix, 2)
        self.advert_s = advert_s
        self.label = f"keepalived {advert_s:g} s, conntrackd FT-FW" if keepalived else "conntrackd FT-FW"
        self.keepalived, self.conntrackd = {}, {}
        try:
            for member in (1, 2):
                make_router(self, member)
                for key in ("udp_timeout", "udp_timeout_stream"):
                    self.sysctl(f"gw{member}", f"net.netfilter.nf_conntrack_{key}", udp_timeout_s)
                self.start_conntrackd(member)
            if not keepalived:  # the roles stand still: gw1 has the addresses
                self.ip("gw1", "addr", "add", f"{LAN_GATEWAY}/16", "dev", "lan0")
                self.ip("gw1", "addr", "add", f"{WAN_GATEWAY}/16", "dev", "wan0")
                return
            self.start_keepalived(1)
            wait_until(lambda: self.has_address(1), "the first keepalived is master")
            self.start_keepalived(2)
            time.sleep(0.5)
        except BaseException:
            self.close()
            raise

    def start_conntrackd(self, member):
        self.file(f"conntrackd{member}.conf",
                  CONNTRACKD.format(own=own_address("sync", member), peer=own_address("sync", 3 - member), member=member,
                                    folder=self.folder))
        for leftover in (f"ct{member}.ctl", f"conntrackd{member}.lock"):
            if os.path.exists(os.path.join(self.folder, leftover)):
                os.unlink(os.path.join(self.folder, leftover))
        self.conntrackd[member] = self.start(f"gw{member}", "conntrackd", "/usr/sbin/conntrackd", "-C",
                                             self._conntrackd_config(member))
        try:
            wait_until(lambda: self.statistics(member), "conntrackd answers", timeout_s=8)
        except LabError as error:
            raise LabError(f"{error}: {self.conntrackd[member].text()}") from error

    def start_keepalived(self, member):
        script = self.file(f"notify{member}.sh",
                           NOTIFY.format(config=self._conntrackd_config(member), log=f"{self.folder}/notify{member}.log",
                                         socket=f"{self.folder}/ct{member}.ctl"))
        os.chmod(script, 0o700)
        instances = "".join(
            INSTANCE.format(network=network, router=router, priority=150 if member == 1 else 100, advert_s=self.advert_s,
                            address=address)
            for network, router, address in (("lan", 51, LAN_GATEWAY), ("wan", 52, WAN_GATEWAY)))
        config = self.file(f"keepalived{member}.conf",
                           KEEPALIVED.format(member=member, script=script, instances=instances))
        self.keepalived[member] = self.start(
            f"gw{member}", "keepalived", "/usr/sbin/keepalived", "-n", "-l", "-D", "-P", "-f", config, "-p",
            f"{self.folder}/keepalived{member}.pid", "-r", f"{self.folder}/vrrp{member}.pid")

    def _conntrackd_config(self, member):
        return os.path.join(self.folder, f"conntrackd{member}.conf")

    def control(self, member, *options, check=True, timeout_s=120):
        return self.exec(f"gw{member}", "/usr/sbin/conntrackd", "-C", self._conntrackd_config(member), *options,
                         check=check, timeout_s=timeout_s)

    def statistics(self, member):
        return self.control(member, "-s", check=False, timeout_s=10)

    def cached(self, member, cache):
        """Entries in the "internal" (own) or "external" (the peer's) cache."""
        found = re.search(rf"cache {cache}:\s+current active connections:\s+(\d+)", self.statistics(member))
        return int(found.group(1)) if found else 0

    def has_address(self, member):
        """Whether this member holds the cluster's addresses."""
        lan = LAN_GATEWAY in self.ip(f"gw{member}", "-4", "addr", "show", "dev", "lan0").replace("/", " ").split()
        return lan and WAN_GATEWAY in self.ip(f"gw{member}", "-4", "addr", "show", "dev", "wan0").replace("/", " ").split()

    def active(self):
        """Who holds the addresses and still lives: a keepalived that was killed leaves them where they were."""
        living = [m for m in (1, 2) if not self.keepalived or self.keepalived[m].running()]
        return next((member for member in living if self.has_address(member)), 0)

    def wait_ready(self, timeout_s=20):
        wait_until(lambda: [self.has_address(m) for m in (1, 2)].count(True) == 1, "exactly one master", timeout_s)
        self.exec("client", "ping", "-c1", "-W5", "10.2.0.10")

    def gateway_mac(self):
        return self.mac(f"gw{self.active()}", "lan0")

    def sessions(self, member):
        return int(self.exec(f"gw{member}", "sysctl", "-n", "net.netfilter.nf_conntrack_count"))

    def state_changes(self, member):
        """How often this member's VRRP instances have entered MASTER, BACKUP or FAULT."""
        return len(re.findall(r"Entering (?:MASTER|BACKUP|FAULT) STATE", self.keepalived[member].text()))

    def kill(self, member):
        """The router dies: its daemons at once, its forwarding with them."""
        self.cut_silently(member)  # first: a backup that takes over before it would make this a planned change
        self.keepalived[member].send_signal(signal.SIGKILL)
        self.conntrackd[member].send_signal(signal.SIGKILL)

    def hand_over(self, member):
        """The planned way: keepalived is told to stop and says so to the others."""
        self.keepalived[member].send_signal(signal.SIGTERM)
        self.keepalived[member].process.wait(10)

    def revive(self, member):
        """After any of the failures: the member is back as a backup, in sync."""
        self.keepalived[member].stop()
        self.conntrackd[member].stop()
        for network, address in (("lan", LAN_GATEWAY), ("wan", WAN_GATEWAY)):  # of a keepalived that was killed
            run("ip", "-n", self.full(f"gw{member}"), "addr", "del", f"{address}/16", "dev", f"{network}0", check=False)
        self.restore(member)
        self.exec(f"gw{member}", "conntrack", "-F", check=False)
        self.ip(f"gw{member}", "route", "replace", "10.3.0.0/24", "via", "10.2.0.10")
        self.start_conntrackd(member)
        self.start_keepalived(member)
        time.sleep(1.0)
