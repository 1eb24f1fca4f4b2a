"""The same network for both sides of a comparison: client - LAN - one or two gateways - WAN - server.

With one gateway the cables are direct. With two, a switch (bridges in a namespace of its own) joins them, and the sync
network runs over it too, so that any cable can be cut with or without the loss of carrier.
"""
import os

from .namespaces import Namespaces

CLIENT, SERVER = "10.1.0.10", "10.2.0.10"
LAN_GATEWAY, WAN_GATEWAY = "10.1.0.1", "10.2.0.1"
FLOOD_SOURCE = "10.1.2.0"  # first of the flood's addresses; answered by nobody
SINK = "10.3.0.1"          # behind the server, which does not forward: packets end there without an answer
CLIENT_POOL = "10.1.4.0-10.1.4.199"  # further addresses of the client


def own_address(network, member):
    """A member's own address; networks: lan, wan, sync."""
    return {"lan": f"10.1.255.{member}", "wan": f"10.2.255.{member}", "sync": f"10.99.0.{member}"}[network]


class Topology(Namespaces):
    """Namespaces client, server, gw1 [, gw2, switch]; devices eth0 at the ends; lan0, wan0, sync0 at the gateways."""

    def __init__(self, prefix, members):
        super().__init__(prefix)
        self.members = members
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self):
        gateways = [f"gw{i}" for i in range(1, self.members + 1)]
        self.add("client", "server", *gateways)
        if self.members == 1:
            self.veth("client", "eth0", "gw1", "lan0")
            self.veth("server", "eth0", "gw1", "wan0")
            self.ip("gw1", "link", "add", "sync0", "type", "veth", "peer", "name", "sync1")
            for device in ("sync0", "sync1"):
                self.ip("gw1", "link", "set", device, "up")
        else:
            self._build_switch(gateways)
        for number, gateway in enumerate(gateways, 1):
            for network, bits in (("lan", 16), ("wan", 16), ("sync", 24)):
                self.ip(gateway, "addr", "add", f"{own_address(network, number)}/{bits}", "dev", f"{network}0")
            self.ip(gateway, "route", "add", "10.3.0.0/24", "via", SERVER)
        self.ip("client", "addr", "add", f"{CLIENT}/16", "dev", "eth0")
        self.ip("client", "route", "add", "local", "10.1.4.0/24", "dev", "lo")
        self.ip("client", "route", "add", "default", "via", LAN_GATEWAY)
        self.ip("server", "addr", "add", f"{SERVER}/16", "dev", "eth0")
        self.ip("server", "route", "add", "default", "via", WAN_GATEWAY)

    def _build_switch(self, gateways):
        self.add("switch")
        for bridge in ("lan", "wan", "sync"):
            self.ip("switch", "link", "add", bridge, "type", "bridge", "stp_state", "0", "forward_delay", "0")
            self.ip("switch", "link", "set", bridge, "up")
        self._plug("client", "eth0", "cl", "lan")
        self._plug("server", "eth0", "sv", "wan")
        for number, gateway in enumerate(gateways, 1):
            for network in ("lan", "wan", "sync"):
                self._plug(gateway, f"{network}0", f"{network}{number}", network)

    def _plug(self, name, device, port, bridge):
        self.veth(name, device, "switch", port)
        self.ip("switch", "link", "set", port, "master", bridge)

    def cut_link(self, member, network):
        """The cable is pulled: the member sees no carrier."""
        self.ip("switch", "link", "set", f"{network}{member}", "down")

    def cut_silently(self, member, networks=("lan", "wan", "sync")):
        """Nothing passes any more, and the member still sees a carrier."""
        self.exec("switch", "bridge", "-batch", "-",  # all at one moment
                  stdin="".join(f"link set dev {network}{member} state 0\n" for network in networks))

    def restore(self, member):
        for network in ("lan", "wan", "sync"):
            self.ip("switch", "link", "set", f"{network}{member}", "up")
            self.exec("switch", "bridge", "link", "set", "dev", f"{network}{member}", "state", "3", check=False)

    def spread_receive(self, name, devices):
        """RPS of these devices over all cores."""
        mask = format((1 << os.cpu_count()) - 1, "x")
        for device in devices:
            self.exec(name, "sh", "-c", f"echo {mask} > /sys/class/net/{device}/queues/rx-0/rps_cpus")

    def offloads(self, name, device, **switches):
        """offloads("client", "eth0", gso="off")"""
        for feature, value in switches.items():
            self.exec(name, "ethtool", "-K", device, feature, value)
