#!/usr/bin/env python3
"""Phalanx against its peers, in network namespaces on this machine.

    bench.py --build build/release NAME...|all [--report FILE] [--quick] [--minutes N]
    bench.py --markdown REPORT [--page docs/performance.md]

A goal that is missed is a figure, not an error: the exit code is 1 only if something could not be measured.
"""
import argparse
import json
import os
import signal
import sys
import time

import failover
import figures
import micro
import replication
import throughput
from lab.namespaces import LabError
from lab.phalanx_members import Binaries

# name: (what measures it, the figures it gives for sure, seconds it may take, and with --quick)
BENCHMARKS = {
    "engine": (micro.engine, (), 300, 40),
    "sync": (micro.sync, ("sync_sender_cpu_udp_flow",), 240, 120),
    "kernels": (micro.kernels, (), 300, 300),
    "card": (micro.card, (), 300, 300),
    "forwarding": (throughput.forwarding, ("forwarding_64_flows", "forwarding_100k_flows"), 180, 60),
    "rtt": (throughput.rtt, ("rtt_p50", "rtt_p99"), 90, 40),
    "tcp": (throughput.tcp, ("tcp_gso", "tcp_mtu"), 180, 60),
    "failover": (failover.failover, ("failover_link_cut", "failover_silent_cut", "failover_kill", "failover_planned_lost"),
                 420, 120),
    "false_takeovers": (failover.false_takeovers, ("false_takeovers",), 120, 60),  # and --minutes
    "takeover_scale": (replication.takeover_scale, ("takeover_1k_sessions", "takeover_1m_sessions"), 300, 180),
    "lag": (replication.lag, ("lag_p50", "lag_p99"), 120, 60),
    "full_sync": (replication.full_sync, ("full_sync_1m", "full_sync_missing"), 300, 180),
}
MINUTES = {"alone": 10.0, "all": 2.0, "quick": 1.0}  # of false_takeovers


class OutOfTime(LabError):
    """A benchmark took longer than it may."""


class Context:
    """What every benchmark gets."""

    def __init__(self, options):
        self.binaries = Binaries(options.build)
        self.quick = options.quick
        self.minutes = options.minutes or MINUTES[
            "quick" if options.quick else "alone" if options.names == ["false_takeovers"] else "all"]
        self.number = 0

    def prefix(self, tag):
        """A prefix of namespaces that no other run on this machine has."""
        return f"pb{os.getpid() % 10000}{tag}"

    @staticmethod
    def say(text):
        print(f"  {time.strftime('%H:%M:%S')} {text}", flush=True)


def run_one(context, name):
    """Its rows; what goes wrong becomes rows without a figure, so that the other benchmarks still run."""
    measure, sure, limit_s, quick_limit_s = BENCHMARKS[name]
    limit_s = quick_limit_s if context.quick else limit_s
    if name == "false_takeovers":
        limit_s += int(context.minutes * 60)

    def out_of_time(*_):
        raise OutOfTime(f"not done after {limit_s} s")

    print(f"==> {name}", flush=True)
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(limit_s)
    try:
        return measure(context)
    except (LabError, OSError, KeyError, ValueError) as error:
        why = str(error).strip().replace("\n", " ")[-300:] or type(error).__name__
        print(f"  {name} could not be measured: {why}", file=sys.stderr, flush=True)
        return [figures.failed(figure, why) for figure in sure] or [
            {"name": name, "unit": "", "ours": None, "spread": None, "peer": "", "theirs": None, "ratio": None, "goal": None,
             "goal_is": None, "met": False, "note": f"not measured: {why}"}]
    finally:
        signal.alarm(0)


def stop(*_):
    raise KeyboardInterrupt


def measure_all(options):
    context = Context(options)
    names = list(BENCHMARKS) if "all" in options.names else list(dict.fromkeys(options.names))
    load = {"before": os.getloadavg()}
    rows = []
    for name in names:
        rows += run_one(context, name)
        load["after"] = os.getloadavg()
        if options.report:
            figures.write_report(options.report, rows, load)  # after each, so that an interrupted run leaves what it has
    print(f"\nload average before {load['before'][0]:.2f}, after {load['after'][0]:.2f}")
    for row in rows:
        print(figures.line(row))
    return 1 if any(row["ours"] is None for row in rows) else 0


def main():
    parser = argparse.ArgumentParser(description="Phalanx against its peers", epilog="benchmarks: " + " ".join(BENCHMARKS))
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks, or all")
    parser.add_argument("--build", default="build/release", help="folder of a release build made with PHALANX_BENCH=ON")
    parser.add_argument("--report", help="JSON file to write")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds; figures are rough")
    parser.add_argument("--minutes", type=float, help="length of false_takeovers (10 alone, 2 in all, 1 with --quick)")
    parser.add_argument("--markdown", metavar="REPORT", help="measure nothing; print this report as a table")
    parser.add_argument("--page", help="with --markdown: put the table between the markers of this page")
    options = parser.parse_args()
    if options.markdown:
        with open(options.markdown) as file:
            report = json.load(file)
        if options.page:
            figures.update_page(options.page, report)
        else:
            print(figures.markdown(report))
        return 0
    unknown = [name for name in options.names if name != "all" and name not in BENCHMARKS]
    if unknown or not options.names:
        parser.error(f"unknown benchmark {unknown[0]}" if unknown else "which benchmark?")
    if os.geteuid() != 0:
        parser.error("network namespaces need root")
    signal.signal(signal.SIGTERM, stop)
    return measure_all(options)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
