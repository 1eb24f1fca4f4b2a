"""forwarding, rtt, tcp: one gateway between client and server, ours and the kernel's in turn."""
from contextlib import ExitStack

import figures
from lab.kernel_routers import ConntrackLimits, KernelGateway
from lab.phalanx_members import Phalanx
from lab.traffic import Traffic

PACED_RATE = 60000  # packets a second that both sides forward without loss


class Pair:
    """Both gateways, up at the same time; who is idle waits in poll and costs nothing."""

    def __init__(self, context, tag):
        self.stack = ExitStack()
        try:
            self.stack.enter_context(ConntrackLimits())
            self.ours = self.stack.enter_context(Phalanx(context.prefix(tag + "o"), context.binaries, members=1))
            self.theirs = self.stack.enter_context(KernelGateway(context.prefix(tag + "k")))
            self.sides = [(side, Traffic(side, context.binaries)) for side in (self.ours, self.theirs)]
            for side, _ in self.sides:
                side.wait_ready()
        except BaseException:
            self.stack.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()

    def rounds(self, count, measure):
        """`measure(traffic)` of both sides in turn, who is first changing: two lists of results."""
        results = ([], [])
        for number in range(count):
            for side in (0, 1) if number % 2 == 0 else (1, 0):
                results[side].append(measure(self.sides[side][1]))
        return results


def forwarding(context):
    rows = []
    seconds, rounds = (2, 2) if context.quick else (2, 5)
    with Pair(context, "f") as pair:
        label = pair.theirs.label
        for name, flows in (("64_flows", 64), ("100k_flows", 100000)):
            context.say(f"forwarding, {flows} flows")
            ours, theirs = pair.rounds(rounds, lambda traffic: traffic.flood(flows, seconds))
            offered = figures.median([result["offered_kpps"] for result in ours])
            rows.append(figures.figure(f"forwarding_{name}", [r["kpps"] for r in ours], label, [r["kpps"] for r in theirs],
                                       note=f"offered {offered:.0f} kpps"))
            rows.append(figures.figure(f"cpu_per_packet_{name}", [r["cpu_us"] for r in ours], label,
                                       [r["cpu_us"] for r in theirs]))
        ours, theirs = pair.rounds(max(rounds - 2, 1), lambda traffic: traffic.flood(64, seconds, PACED_RATE))
        rows.append(figures.figure("cpu_per_packet_paced", [r["cpu_us"] for r in ours], label, [r["cpu_us"] for r in theirs],
                                   note=f"{PACED_RATE // 1000} kpps offered, {figures.median([r['kpps'] for r in ours]):.0f} and "
                                        f"{figures.median([r['kpps'] for r in theirs]):.0f} forwarded"))
    return rows


def rtt(context):
    with Pair(context, "r") as pair:
        ours, theirs = pair.rounds(3 if context.quick else 9, lambda traffic: traffic.round_trips(2))
        return [figures.figure(f"rtt_{quantile}", [r[f"rtt_{quantile}_us"] for r in ours], pair.theirs.label,
                               [r[f"rtt_{quantile}_us"] for r in theirs]) for quantile in ("p50", "p99")]


def tcp(context):
    """Ours switches GRO on at its ports itself (host/ports). At the kernel's ports it helps packets of one MTU and harms
    whole GSO frames, so it is on for the one and off for the other: the peer at its best."""
    rows = []
    seconds, rounds = (2, 2) if context.quick else (3, 4)
    with Pair(context, "t") as pair:
        for name, switch, peer_gro in (("tcp_gso", "on", "off"), ("tcp_mtu", "off", "on")):
            for device in ("lan0", "wan0"):
                pair.theirs.offloads("gw1", device, gro=peer_gro)
            for side, _ in pair.sides:
                for end in ("client", "server"):
                    side.offloads(end, "eth0", gso=switch, tso=switch, gro=switch)
            ours, theirs = pair.rounds(rounds, lambda traffic: traffic.iperf(seconds))
            rows.append(figures.figure(name, ours, f"{pair.theirs.label}, GRO {peer_gro}", theirs))
    return rows
