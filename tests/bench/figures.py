"""Figures of the benchmarks: their goals in one table, medians and spread, the report and the page made of it."""
import json
import os
import platform
import statistics

SCHEMA = "phalanx-bench/1"

# name: (unit, what the goal bounds, the goal, what is measured). "ratio>=" and "ratio<=" bound ours / theirs, "ours<="
# and "ours>=" our own figure; None: reported without a goal. Figures of the micro-benchmarks bring their goals along.
GOALS = {
    "forwarding_64_flows": ("kpps", "ratio>=", 1.3, "64-byte UDP, 64 flows, one gateway"),
    "forwarding_100k_flows": ("kpps", "ratio>=", 1.3, "64-byte UDP, 100,000 flows, one gateway"),
    "cpu_per_packet_64_flows": ("us", None, None, "CPU of the whole machine, generator included, for each packet forwarded"),
    "cpu_per_packet_100k_flows": ("us", None, None, "the same with 100,000 flows"),
    "cpu_per_packet_paced": ("us", None, None, "the same at a rate that neither side is at its limit with"),
    "rtt_p50": ("us", "ratio<=", 1.2, "round trip through one gateway, median"),
    "rtt_p99": ("us", "ratio<=", 1.2, "round trip through one gateway, 99th percentile"),
    "tcp_gso": ("Gb/s", "ratio>=", 0.85, "one TCP stream, offloads on at its ends"),
    "tcp_mtu": ("Gb/s", "ratio>=", 1.0, "one TCP stream, packets of one MTU at its ends"),
    "failover_link_cut": ("ms", "ours<=", 40, "traffic stands still: the active member's LAN cable is pulled"),
    "failover_silent_cut": ("ms", "ours<=", 40, "the same: all its cables go silent, carrier stays"),
    "failover_kill": ("ms", "ours<=", 20, "the same: kill -9 of its daemons"),
    "failover_planned_lost": ("probes", "ours<=", 0, "10 kHz probes lost: the role is handed over on purpose"),
    "failover_planned": ("ms", None, None, "outage in the same"),
    "false_takeovers": ("takeovers", "ours<=", 0, "takeovers under full load, nothing failing"),
    "takeover_1k_sessions": ("ms", None, None, "traffic stands still after kill -9 with 1,000 sessions"),
    "takeover_1m_sessions": ("ms", "ours<=", 20, "the same with 1,000,000; theirs: conntrackd -c, scaled"),
    "lag_p50": ("ms", "ours<=", 0.1, "a new flow's packet until its record is at the standby, 20,000/s, median"),
    "lag_p99": ("ms", "ours<=", 0.3, "the same, 99th percentile"),
    "full_sync_1m": ("s", "ours<=", 1.0, "full sync of 1,000,000 sessions while traffic goes on"),
    "full_sync_missing": ("sessions", "ours<=", 0, "sessions that the standby lacks after it"),
    "sync_sender_cpu_udp_flow": ("us", "ours<=", 1.5, "CPU of a new UDP flow at the sender"),
    "sync_receiver_cpu_udp_flow": ("us", "ours<=", 1.0, "and at the receiver"),
    "sync_bytes_udp_flow": ("bytes", "ours<=", 40, "and bytes on the sync network, Ethernet header included"),
    "sync_sender_cpu_tcp_flow": ("us", "ours<=", 3.0, "CPU of a new TCP flow at the sender"),
    "sync_receiver_cpu_tcp_flow": ("us", "ours<=", 2.0, "and at the receiver"),
    "sync_bytes_tcp_flow": ("bytes", "ours<=", 90, "and bytes on the sync network, Ethernet header included"),
}


def median(values):
    return statistics.median(values) if values else None


def spread(values):
    """Interquartile range divided by the median: 0 for fewer than two values."""
    if len(values) < 2 or not statistics.median(values):
        return 0.0
    if len(values) < 4:
        return (max(values) - min(values)) / abs(statistics.median(values))
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / abs(statistics.median(values))


def is_met(bound, goal, ours, ratio):
    if bound is None:
        return None
    if bound in ("ours<=", "ours>="):
        return ours is not None and (ours <= goal if bound == "ours<=" else ours >= goal)
    if ratio is None:
        return False
    return ratio >= goal if bound == "ratio>=" else ratio <= goal


def figure(name, ours, peer="", theirs=(), note=""):
    """A row of the report. `ours`, `theirs`: one value a round, measured in turn; the ratio is round by round."""
    unit, bound, goal, _ = GOALS[name]
    ours, theirs = list(ours), list(theirs)
    pairs = [a / b for a, b in zip(ours, theirs) if b]
    ratio = median(pairs)
    row = {"name": name, "unit": unit, "ours": median(ours), "spread": round(spread(ours), 4), "peer": peer,
           "theirs": median(theirs), "theirs_spread": round(spread(theirs), 4), "ratio": ratio, "goal": goal,
           "goal_is": bound, "met": is_met(bound, goal, median(ours), ratio), "rounds": len(ours)}
    if note:
        row["note"] = note
    return row


def failed(name, why):
    """A row for what could not be measured: no figure, goal not met, the reason."""
    unit, bound, goal, _ = GOALS[name]
    return {"name": name, "unit": unit, "ours": None, "spread": None, "peer": "", "theirs": None, "ratio": None,
            "goal": goal, "goal_is": bound, "met": None if bound is None else False, "note": f"not measured: {why}"}


def number(value):
    if value is None:
        return "-"
    if value == 0 or abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.3g}"


def goal_text(row):
    if row["goal"] is None:
        return "-"
    texts = {"ratio>=": "≥ {}×", "ratio<=": "≤ {}×", "ours<=": "≤ {} " + row["unit"], "ours>=": "≥ {} " + row["unit"]}
    return texts[row["goal_is"]].format(f"{row['goal']:.4g}")


MET = {True: "yes", False: "no", None: "-"}


def line(row):
    """One line of the table that is printed."""
    share = f"{100 * row['spread']:.0f} %" if row["spread"] is not None else "-"
    text = (f"{row['name']:<28} {number(row['ours']):>9} {row['unit']:<10} ±{share:<6} {number(row['theirs']):>9}  "
            f"ratio {number(row['ratio']):>6}  goal {goal_text(row):<16} {MET[row['met']]:<4} {row['peer']}")
    return text + (f"  ({row['note']})" if row.get("note") else "")


def machine():
    """The machine the figures are of."""
    with open("/proc/cpuinfo") as file:
        cpu = next((text.split(":", 1)[1].strip() for text in file if text.startswith("model name")), platform.machine())
    with open("/proc/meminfo") as file:
        memory_kb = int(file.readline().split()[1])
    return {"cpu": cpu, "cores": os.cpu_count(), "kernel": platform.release(), "memory_gb": round(memory_kb / 1e6, 1)}


def write_report(path, rows, load):
    with open(path, "w") as file:
        json.dump({"schema": SCHEMA, "figures": rows, "machine": machine(), "load": load}, file, indent=1, ensure_ascii=False)
        file.write("\n")


# The page's tables: (starts of the figures' names, markers). A figure goes into the first table it fits.
TABLES = (
    (("card_", "offload_"), "<!-- figures of the card: begin -->", "<!-- figures of the card: end -->"),
    (("",), "<!-- figures: begin -->", "<!-- figures: end -->"),
)
HEAD = ("| figure | goal | ours | theirs | ratio | met |", "|---|---|---|---|---|---|")


def machine_line(report):
    about = report["machine"]
    load = report["load"]
    return (f"Machine: {about['cpu']}, {about['cores']} cores, {about['memory_gb']} GB, Linux {about['kernel']}. "
            f"Load average before {load['before'][0]:.1f}, after {load['after'][0]:.1f}.")


def page_row(row):
    share = f" ± {100 * row['spread']:.0f} %" if row.get("spread") else ""
    theirs = f"{number(row['theirs'])} ({row['peer']})" if row["theirs"] is not None else "-"
    note = f" ({row['note']})" if row.get("note") else ""
    return (f"| {row['name']}{note} | {goal_text(row)} | {number(row['ours'])} {row['unit']}{share} | {theirs} | "
            f"{number(row['ratio'])} | {MET[row['met']]} |")


def markdown(report):
    """A table of all figures of a report."""
    return "\n".join([machine_line(report), "", *HEAD, *map(page_row, report["figures"])])


def name_of(line):
    """The figure of a line of the page's table."""
    return line[2:].split(" ", 1)[0]


def merged(old, report, rows):
    """The table `old` with the report's rows in the place of those that had their names, or behind all others. What the
    report does not have stays, and stays under its own machine's line: a report of some figures names them."""
    lines = old.strip("\n").split("\n")
    names = [row["name"] for row in rows]
    kept = [line for line in lines if line.startswith("| ") and line not in HEAD]
    if not any(name_of(line) not in names for line in kept):
        return "\n".join([machine_line(report), "", *HEAD, *map(page_row, rows)])
    abouts = [line for line in lines if line.startswith("Machine: ")]
    about = machine_line(report)
    if about not in abouts:
        part = f"{about} Of {', '.join(dict.fromkeys(name.split('_')[0] + '_*' for name in names))}."
        abouts = [line for line in abouts if line.rsplit(" Of ", 1)[-1] != part.rsplit(" Of ", 1)[-1]] + [part]
    result, given = [], set()
    for line in kept:
        name = name_of(line)
        if name not in names:
            result.append(line)
        elif name not in given:
            given.add(name)
            result += [page_row(row) for row in rows if row["name"] == name]
    result += [page_row(row) for row in rows if row["name"] not in given]
    return "\n".join(["\n".join(abouts), "", *HEAD, *result])


def update_page(page, report):
    """Puts the report's figures into the page's tables; a report of some benchmarks replaces their rows alone."""
    with open(page) as file:
        text = file.read()
    taken = set()
    for starts, begin, end in TABLES:
        rows = [row for row in report["figures"] if row["name"].startswith(starts) and row["name"] not in taken]
        taken.update(row["name"] for row in rows)
        if not rows:
            continue
        if begin not in text or end not in text:
            raise ValueError(f"{page} has no markers {begin} {end}")
        before, rest = text.split(begin, 1)
        old, after = rest.split(end, 1)
        text = f"{before}{begin}\n{merged(old, report, rows)}\n{end}{after}"
    with open(page, "w") as file:
        file.write(text)
