"""takeover_scale, lag, full_sync: what replication does with many sessions and how far it lags behind."""
import bisect
import re
import statistics
import time

import figures
from failover import outage
from lab.capture import Capture, flow_of, udp_payload
from lab.kernel_routers import ConntrackLimits, KernelCluster
from lab.namespaces import LabError, wait_until
from lab.phalanx_members import Phalanx
from lab.traffic import Traffic

MILLION = 1_000_000
NEARLY = 0.995
FILL_RATE = 60000       # new flows a second of ours
PEER_FILL_RATE = 15000  # theirs: faster, and netlink events are lost
LAG_RATE = 20000
# Sync datagrams in a capture: CCP magic, opcode 10, kind 1 = delta, in the clear (docs/protocol-sync.md).
DELTAS = "udp and udp[8:2] = 0x1a90 and udp[14:2] = 10 and udp[28] & 0x0f = 1"
SESSIONS_MAX = 1 << 21
CAPTURE_STARTS_NS = 300_000_000


def fill_phalanx(context, cluster, traffic, flows):
    """`flows` sessions (and up to half a percent less) at the active member and at the standby; how many there are."""
    context.say(f"filling {flows} sessions")
    traffic.fill(flows * NEARLY, FILL_RATE, lambda: cluster.sessions(cluster.active()), 90, flows)
    cluster.wait_ready()
    there = cluster.sessions(cluster.active())
    wait_until(lambda: cluster.sessions(3 - cluster.active()) >= there, "the standby has all sessions", 30, 0.5)
    return there


def fill_kernel(context, cluster, traffic, flows):
    """`flows` connections at gw1, known to gw2's conntrackd."""
    context.say(f"filling {flows} connections of the peer")
    traffic.fill(flows * NEARLY, PEER_FILL_RATE, lambda: cluster.sessions(1), 120, flows)
    wait_until(lambda: cluster.cached(2, "external") >= flows * 0.98, "conntrackd has them", 60, 0.5)
    return cluster.cached(2, "external")


def peer_size(context):
    return 50_000 if context.quick else 300_000


def takeover_scale(context):
    """Ours: the gap itself. Theirs: what the takeover has to wait for, conntrackd -c of the table, scaled to a million."""
    rounds = 1 if context.quick else 3
    gaps = {1000: [], MILLION: []}
    with Phalanx(context.prefix("to"), context.binaries, sessions=SESSIONS_MAX) as ours:
        traffic = Traffic(ours, context.binaries)
        for flows, found in gaps.items():
            ours.wait_ready()
            there = fill_phalanx(context, ours, traffic, flows)
            for _ in range(rounds):
                found.append(outage(ours, traffic, "kill")[0])
                wait_until(lambda: ours.sessions(3 - ours.active()) >= there, "the member that came back is full", 60, 0.5)
                context.say(f"{flows} sessions: {found[-1]:.1f} ms")
    commits = {}
    with ConntrackLimits(), KernelCluster(context.prefix("tk"), keepalived=False) as theirs:
        traffic = Traffic(theirs, context.binaries)
        for flows in (1000, peer_size(context)):
            entries = fill_kernel(context, theirs, traffic, flows)
            begun = time.monotonic()
            theirs.control(2, "-c")
            commits[flows] = ((time.monotonic() - begun) * 1e3, entries)
            theirs.exec("gw2", "conntrack", "-F", check=False)
    small, (large_ms, entries) = commits[1000][0], commits[peer_size(context)]
    return [figures.figure("takeover_1k_sessions", gaps[1000], "conntrackd -c", [small]),
            figures.figure("takeover_1m_sessions", gaps[MILLION], "conntrackd -c", [large_ms * MILLION / entries],
                           note=f"theirs scaled from {entries} entries, {large_ms:.0f} ms; with 1,000 ours is "
                                f"{figures.median(gaps[1000]):.1f} ms")]


def quantiles_ms(lags_ns):
    lags_ns = sorted(lags_ns)
    return [lags_ns[int(q * (len(lags_ns) - 1))] / 1e6 for q in (0.5, 0.99)]


def lag_of_sealed_datagrams(arrivals, departures, deltas):
    """Ours. Deltas are sealed, so a flow's record cannot be seen in them. But a change is handed to delta sync before
    its packet is sent, and deltas leave in order: the first delta to reach the standby after the packet has left the
    gateway carries the record, or an earlier one did. So this is an upper bound."""
    times = [when for when, _ in deltas]
    left = {flow_of(frame): when for when, frame in departures}
    lags = []
    for when, frame in arrivals:
        out = left.get(flow_of(frame))
        if out is None:
            continue
        place = bisect.bisect_left(times, out)
        if place < len(times):
            lags.append(times[place] - when)
    return lags


def lag_of_clear_datagrams(arrivals, datagrams):
    """Theirs. conntrackd's messages are in the clear: the first that has the flow's addresses and ports in it. Its
    attributes are a pair of IPv4 addresses (8 bytes) and, later on, a pair of ports (4 bytes)."""
    sent = {}
    for when, frame in datagrams:
        payload = udp_payload(frame)
        for match in re.finditer(rb"(\x0a\x01\x04.)\x0a\x02\x00\x0a.{4,24}?([\x27-\xea].\x1b[\x5c-\xff])", payload, re.S):
            sent.setdefault(match.group(1) + match.group(2), when)
    return [sent[flow_of(frame)] - when for when, frame in arrivals if flow_of(frame) in sent]


def measure_lag(cluster, traffic, sync_filter, find, seconds):
    """Lags of `seconds` of new flows at LAG_RATE, and how many flows there were."""
    active = cluster.active() or 1
    flows = "udp and dst portrange 7004-7300"
    # Arrivals are taken as they leave the client, a bridge before the gateway: libpcap does not show the gateway's
    # frames, which are for a MAC that its device does not have.
    captures = [Capture(cluster, "client", "eth0", flows, incoming=False), Capture(cluster, "server", "eth0", flows),
                Capture(cluster, f"gw{3 - active}", "sync0", sync_filter)]
    try:
        opened = traffic.finish_new_flows(traffic.start_new_flows(LAG_RATE, seconds), seconds)["opened"]
        time.sleep(0.5)
    finally:
        for capture in captures:
            capture.stop()
    arrivals, *others = [capture.packets() for capture in captures]
    # A capture loses up to a tenth of a second of frames when a burst begins (the gateway forwards them all: its counters
    # say so), so the first flows cannot be followed, whosever they are.
    followed = [(when, frame) for when, frame in arrivals if when - arrivals[0][0] > CAPTURE_STARTS_NS]
    lags = find(followed, *others)
    if len(lags) < opened * 0.5:
        raise LabError(f"only {len(lags)} of {opened} flows could be followed")
    return lags, opened


def lag(context):
    """From the packet's departure at the client to its record's arrival at the standby's sync device.
    What comes after (waking the standby, installing) is in neither side's figure."""
    seconds, rounds = (2, 1) if context.quick else (3, 3)
    ours_q, theirs_q = [], []
    with ConntrackLimits(), Phalanx(context.prefix("lo"), context.binaries, udp_timeout_s=4) as ours, \
            KernelCluster(context.prefix("lk"), udp_timeout_s=5, keepalived=False) as theirs:
        ours.wait_ready()
        sides = [(ours, Traffic(ours, context.binaries)), (theirs, Traffic(theirs, context.binaries))]
        rates = []
        for _ in range(rounds):
            lags, opened = measure_lag(*sides[0], DELTAS, lag_of_sealed_datagrams, seconds)
            ours_q.append(quantiles_ms(lags))
            rates.append(opened / seconds)
            context.say(f"ours: p50 {ours_q[-1][0]:.3f} ms, p99 {ours_q[-1][1]:.3f} ms of {len(lags)} flows")
            lags, _ = measure_lag(*sides[1], "udp dst port 3780", lambda a, _, s: lag_of_clear_datagrams(a, s), seconds)
            theirs_q.append(quantiles_ms(lags))
            context.say(f"theirs: p50 {theirs_q[-1][0]:.3f} ms, p99 {theirs_q[-1][1]:.3f} ms of {len(lags)} flows")
            time.sleep(8)  # these flows end, the next round's are new ones
    note = f"{statistics.median(rates):.0f} flows a second; upper bound"
    return [figures.figure(name, [q[place] for q in ours_q], "conntrackd FT-FW", [q[place] for q in theirs_q], note=note)
            for place, name in enumerate(("lag_p50", "lag_p99"))]



def full_sync(context):
    """The standby is killed and comes back empty while probes and new flows go on; its log says how long full sync
    took, from its request to the last chunk installed. Theirs: a conntrackd that was restarted asks for all (-n)."""
    rounds = 1 if context.quick else 3
    seconds_taken, missing = [], []
    with Phalanx(context.prefix("so"), context.binaries, sessions=SESSIONS_MAX) as ours:
        traffic = Traffic(ours, context.binaries)
        ours.wait_ready()
        fill_phalanx(context, ours, traffic, MILLION)
        for _ in range(rounds):
            standby = 3 - ours.active()
            probes = traffic.start_probes(1000, 8)
            flows = traffic.start_new_flows(2000, 6)
            ours.restart(standby)
            wait_until(lambda: ours.full_sync_ms(standby), "full sync has ended", 60, 0.1)
            seconds_taken.append(sum(ours.full_sync_ms(standby)) / 1e3)
            traffic.finish_new_flows(flows, 6)
            traffic.finish_probes(probes)
            ours.wait_ready(40)
            time.sleep(1.0)
            missing.append(max(ours.sessions(ours.active()) - ours.sessions(standby), 0))
            context.say(f"full sync {seconds_taken[-1]:.2f} s, {missing[-1]} missing")
    theirs_s, entries = peer_full_sync(context)
    return [figures.figure("full_sync_1m", seconds_taken, "conntrackd -n", [theirs_s * MILLION / entries],
                           note=f"theirs scaled from {entries} entries, {theirs_s:.2f} s, no traffic"),
            figures.figure("full_sync_missing", missing, note=f"of {MILLION} and more")]


def peer_full_sync(context):
    """(seconds, entries)"""
    with ConntrackLimits(), KernelCluster(context.prefix("sk"), keepalived=False) as theirs:
        traffic = Traffic(theirs, context.binaries)
        entries = fill_kernel(context, theirs, traffic, peer_size(context))
        theirs.conntrackd[2].stop()
        theirs.start_conntrackd(2)
        if theirs.cached(2, "external") > 0:
            context.say("conntrackd had begun before it was asked")
        begun = time.monotonic()
        theirs.control(2, "-n")
        wait_until(lambda: theirs.cached(2, "external") >= entries * 0.98, "conntrackd has all again", 90, 0.02)
        return time.monotonic() - begun, theirs.cached(2, "external")
