"""failover, false_takeovers: how long traffic stands still when something fails, and takeovers when nothing does."""
import time

import figures
from lab.kernel_routers import ConntrackLimits, KernelCluster
from lab.namespaces import LabError, wait_until
from lab.phalanx_members import Phalanx
from lab.traffic import Traffic

PROBE_RATE = 10000  # a second: a gap is known to 0.1 ms
STARTUP_S = 0.1     # a tool's clock starts at most this much after it was started

# What is done to the active member. The kernel's forwarding does not die with its daemons, so a router that is killed
# loses its cables as well (KernelCluster.kill).
DEEDS = {
    "link_cut": lambda cluster, member: cluster.cut_link(member, "lan"),
    "silent_cut": lambda cluster, member: cluster.cut_silently(member),
    "kill": lambda cluster, member: cluster.kill(member),
    "planned": lambda cluster, member: cluster.hand_over(member),
}
ADVERTS_S = (0.03, 0.1)


def outage(cluster, traffic, deed, probe_s=3):
    """One failure under probes, then all is put right again. (ms of the outage, probes lost in the whole run)."""
    member = cluster.active()
    if not member:
        raise LabError("nobody is active before the failure")
    probes = traffic.start_probes(PROBE_RATE, probe_s)
    begun = time.monotonic()
    time.sleep(1.0)
    deed_s = time.monotonic() - begun
    DEEDS[deed](cluster, member)
    result = traffic.finish_probes(probes)
    moved = cluster.active()
    if deed in ("link_cut", "silent_cut"):
        cluster.restore(member)
    cluster.revive(member)
    if result["received"] == 0:
        raise LabError("no probe came back at all")
    if moved == member and deed != "silent_cut":
        raise LabError(f"{deed}: member {member} is still the active one")
    return outage_ms(result["gaps"], deed_s), result["lost"]


def outage_ms(gaps, deed_s):
    """The longest silence that began within a second of the deed, or the time of all probes lost in such silences if that
    is more: several short ones count together. What a busy machine loses at other times is not the failure's."""
    near = [gap for gap in gaps if deed_s - STARTUP_S <= gap["start_s"] <= deed_s + 1.0]
    return max([gap["ms"] for gap in near] + [sum(gap["lost"] for gap in near) * 1e3 / PROBE_RATE])


def outages(context, cluster, rounds):
    """{deed: [(ms, lost), ...]}; a deed that fails is said and left out."""
    traffic = Traffic(cluster, context.binaries)
    found = {deed: [] for deed in DEEDS}
    for number in range(rounds):
        for deed in DEEDS:
            try:
                cluster.wait_ready()
                found[deed].append(outage(cluster, traffic, deed))
                context.say(f"{cluster.label}: {deed} {found[deed][-1][0]:.1f} ms, {found[deed][-1][1]} lost")
            except LabError as error:
                context.say(f"{cluster.label}: {deed}, round {number + 1}: {error}")
    return found


def failover(context):
    """Ours and both settings of keepalived stand side by side; the rounds take turns."""
    rounds = 2 if context.quick else 5
    total = {"ours": {}, **{advert: {} for advert in ADVERTS_S}}
    with ConntrackLimits(), Phalanx(context.prefix("vo"), context.binaries) as ours:
        ours.wait_ready()
        adverts = ADVERTS_S[:1] if context.quick else ADVERTS_S
        peers = [KernelCluster(context.prefix(f"vk{number}"), advert) for number, advert in enumerate(adverts)]
        try:
            for number in range(rounds):
                taking_turns = list(zip(adverts, peers))[:1 if number >= 2 else 2]  # the slower setting is done after two
                for key, cluster in [("ours", ours)] + taking_turns:
                    for deed, values in outages(context, cluster, 1).items():
                        total[key].setdefault(deed, []).extend(values)
        finally:
            for peer in peers:
                peer.close()
    rows = []
    for deed in DEEDS:
        for advert in adverts:
            own, their = total["ours"].get(deed, []), total[advert].get(deed, [])
            peer = f"keepalived {advert:g} s + conntrackd"
            if not own:
                rows.append(figures.failed(f"failover_{deed}" + ("_lost" if deed == "planned" else ""), "see above"))
                continue
            if deed == "planned":
                rows.append(figures.figure("failover_planned_lost", [lost for _, lost in own], peer, [lost for _, lost in their],
                                           note=f"worst of ours {max(lost for _, lost in own)}"))
            rows.append(figures.figure(f"failover_{deed}", [ms for ms, _ in own], peer, [ms for ms, _ in their],
                                       note=f"worst of ours {max(ms for ms, _ in own):.1f} ms"))
    return rows


def false_takeovers(context):
    """Both clusters stand under a flood as fast as it goes, at the same time, on the same cores."""
    seconds = int(context.minutes * 60)
    with ConntrackLimits(), Phalanx(context.prefix("xo"), context.binaries) as ours, \
            KernelCluster(context.prefix("xk"), ADVERTS_S[0]) as theirs:
        for cluster in (ours, theirs):
            cluster.wait_ready()
        epoch, changes = ours.epoch(), sum(theirs.state_changes(m) for m in (1, 2))
        floods = [Traffic(cluster, context.binaries).start_flood(64, seconds, core=core)
                  for core, cluster in ((0, ours), (1, theirs))]
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(min(30.0, max(deadline - time.monotonic(), 0)))
            context.say(f"{seconds - max(deadline - time.monotonic(), 0):.0f} of {seconds} s, epoch {epoch} -> {ours.epoch()}")
        wait_until(lambda: not any(flood.running() for flood in floods), "the floods have ended", 30)
        taken = ours.epoch() - epoch
        for member in ours.daemons if taken else ():
            context.say(f"member {member}: " + " | ".join(ours.role_changes(member)[-6:]))
        their_changes = sum(theirs.state_changes(m) for m in (1, 2)) - changes
        # Each takeover of theirs is a change of both instances (LAN, WAN) at both routers.
        return [figures.figure("false_takeovers", [taken], theirs.label, [their_changes / 4],
                               note=f"{context.minutes:g} minutes; theirs: VRRP state changes / 4")]
