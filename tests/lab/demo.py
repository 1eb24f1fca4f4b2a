#!/usr/bin/env python3
"""Shows a failover: a cluster of two real daemons, real programs through it, and what they notice when it breaks."""
import argparse
import json
import os
import re
import shlex
import signal
import sys
import threading
import time

from lab import CLIENT_V4_HIDDEN, SERVER_V4, Lab, LabError, clean, exit_on_signals, wait_for
from traffic import GAP_FLOOR_MS, Traffic

MEGABYTES, MEGABYTES_PER_S = 128, 4
IPERF_MBIT, CARD_IPERF_MBIT = 300, 50
COLOURS = {"happening": "1;36", "state": "33", "good": "32", "bad": "1;31", "plain": "0"}
COLUMNS = (("event", "name"), ("gap ms", "gap_ms"), ("probes lost", "probes_lost"), ("TCP before", "tcp_before"),
           ("after", "tcp_after"), ("lost", "tcp_lost"), ("bytes wrong", "bytes_wrong"))


class Timeline:
    """One line for each happening, with the time since the start."""

    def __init__(self):
        self.start = time.monotonic()
        self.colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self.lock = threading.Lock()

    def say(self, text, kind="plain"):
        with self.lock:
            if self.colours:
                text = f"\033[{COLOURS[kind]}m{text}\033[0m"
            print(f"{time.monotonic() - self.start:7.2f} s  {text}", flush=True)


class LogWatch(threading.Thread):
    """Tells on the timeline what the daemons' logs say of changes of state and of full syncs."""

    SHOWN = re.compile(r"(CLUS-\S+ .* -> .*|full sync .*|card \S+: .*)")

    def __init__(self, lab, timeline):
        super().__init__(daemon=True)
        self.members, self.timeline, self.ending = lab.members, timeline, threading.Event()
        self.start()

    def run(self):
        files = {}
        while not self.ending.wait(0.02):
            for member in self.members:
                if member.name not in files and os.path.exists(member.log_file):
                    files[member.name] = open(member.log_file, encoding="utf-8", errors="replace")
                for line in files[member.name] if member.name in files else ():
                    found = self.SHOWN.search(line)
                    if found:
                        self.timeline.say(f"  {member.name}: {found.group(1)}", "state")
        for file in files.values():
            file.close()

    def stop(self):
        self.ending.set()
        self.join()


class Demo:
    def __init__(self, lab, timeline):
        self.lab, self.say = lab, timeline.say
        self.traffic = None
        self.cards = False
        self.events, self.failures = [], []

    def check(self, condition, failure):
        if not condition:
            self.failures.append(failure)
            self.say("FAILED: " + failure, "bad")

    def event(self, name, happening, planned=False, changes=True):
        """Makes something happen, waits until cluster and traffic are whole again, and measures what traffic saw."""
        self.lab.wait_pair()
        self.lab.wait_cards()
        active, standby = self.lab.wait_pair()
        before = self.traffic.state()
        self.say(f"{name}: {active.name} is active", "happening")
        happening(active, standby)
        now_active, _ = self.lab.wait_pair()
        moving = self.traffic.settle()
        result = self.traffic.measure(name, before, planned=planned, active_before=active.name, active_after=now_active.name)
        self.events.append(result)
        self.say(f"  healthy again, {now_active.name} is active: longest gap {result['gap_ms']} ms, {result['probes_lost']} "
                 f"probes lost, {result['tcp_after']} of {result['tcp_before']} TCP connections go on",
                 "good" if result["tcp_lost"] == 0 else "bad")
        self.check(moving, f"{name}: traffic does not move again")
        self.check((active is not now_active) == changes, f"{name}: {now_active.name} is active after it")
        self.check(result["tcp_lost"] == 0, f"{name}: {result['tcp_lost']} TCP connections lost")
        self.check(result["bytes_wrong"] == 0, f"{name}: {result['bytes_wrong']} bytes wrong")
        if result["tcp_lost"] or not moving:
            print(self.lab.drops(), flush=True)
        if planned and not self.cards:  # an emulated card loses probes by itself when its cores are busy
            self.check(result["probes_lost"] == 0, f"{name}: {result['probes_lost']} probes lost")

    def fail_over(self, active, _standby):
        answer, code = active.ctl("cluster", "failover", "--yes", "--reason", "demo")
        if code != 0:
            raise LabError(f"phalanxctl cluster failover: exit code {code}, {answer}")
        wait_for("hand over", lambda: active.state() != "ACTIVE", interval=0.05)

    def kill(self, active, standby):
        active.kill9()
        standby.wait_state("ACTIVE", "ACTIVE_ATTENTION")
        self.say(f"  {active.name} is started again")
        active.start()

    def cut(self, active, standby):
        active.links_down()
        standby.wait_state("ACTIVE", "ACTIVE_ATTENTION")
        time.sleep(0.5)
        self.say(f"  {active.name}'s links are up again")
        active.links_up()

    def pause(self, active, standby):
        active.pause()
        standby.wait_state("ACTIVE", "ACTIVE_ATTENTION")
        time.sleep(0.5)
        self.say(f"  {active.name} goes on (SIGCONT): it must yield")
        active.resume()

    def break_cards(self):
        """What a member's own card does to traffic: the CPU engine goes on, and the role stays."""
        if not self.cards:
            return
        active, _ = self.lab.wait_pair()
        if active.card_process() is None:  # the one member that has a card is to be active
            self.event("planned failover to the card", self.fail_over, planned=True)
        self.event("card process killed", self.kill_card, changes=False)
        self.event("card hangs", self.hang_card, changes=False)

    def kill_card(self, active, _standby):
        os.kill(active.card_process()[0], signal.SIGKILL)
        wait_for("the CPU engine", lambda: not active.card_decides(), 10)

    def hang_card(self, active, _standby):
        active.card_fault("hang", 1)
        wait_for("the CPU engine", lambda: not active.card_decides(), 10)

    def run(self):
        self.say("two members start")
        active, standby = self.lab.start_members()
        self.say(f"{active.name} is active, {standby.name} is standby", "good")
        self.lab.wait_cards()
        # Each packet of an emulated card costs a hundred times a real one's: it gets less of iperf3.
        self.cards = any(self.lab.card_drivers)
        self.traffic = Traffic(self.lab, download=(MEGABYTES, MEGABYTES_PER_S),
                               iperf_mbit=CARD_IPERF_MBIT if self.cards else IPERF_MBIT)
        self.say("traffic runs: 64 checked TCP connections, 4 x 1 kHz UDP probes, 2 x iperf3, a download by curl; "
                 "IPv4 and IPv6, with and without NAT", "good")
        self.event("planned failover", self.fail_over, planned=True)
        self.event("planned failover back", self.fail_over, planned=True)
        self.event("kill -9", self.kill)
        self.event("links cut", self.cut)
        self.event("SIGSTOP, SIGCONT", self.pause)
        self.break_cards()
        return self.finish()

    def finish(self):
        """The end of all programs, and the report."""
        download, iperfs = self.traffic.download, self.traffic.iperfs
        left = (download.size - download.received) / (MEGABYTES_PER_S << 20)
        if not download.done():
            self.say(f"the download has {left:.0f} s to go")
            wait_for("end of the download", download.done, left * 2 + 10)
        self.check(download.right(), "the download's checksum is wrong")
        self.say(f"the download of {MEGABYTES} MB has the right SHA-256" if download.right() else "the download is broken")
        for iperf in iperfs:
            rates = iperf.rates()
            self.check(iperf.alive() and rates and rates[-1] > 0, f"iperf3, {iperf.name}, stands still or has ended")
            self.say(f"iperf3, {iperf.name}: {sum(rates) / max(len(rates), 1):.0f} Mbit/s over {len(rates)} s")
        totals = self.traffic.finish()
        self.check(totals["tcp_lost"] == 0, f"{totals['tcp_lost']} TCP connections lost in all")
        self.check(totals["bytes_wrong"] == 0, f"{totals['bytes_wrong']} bytes wrong in all")
        self.check(self.lab.pair() is not None, "the cluster is not whole at the end")
        return {"schema": "phalanx-demo/1", "ok": not self.failures, "failures": self.failures, "events": self.events,
                "engine": self.lab.engine, "totals": totals, "gap_floor_ms": GAP_FLOOR_MS, "download_ok": download.right(),
                "seconds": None}


def table(report):
    rows = [[title for title, _ in COLUMNS]] + [[str(e[key]) for _, key in COLUMNS] for e in report["events"]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  ".join(cells))
    lines.insert(1, "-" * len(lines[0]))
    return "\n".join(lines)


def explain_kept(lab):
    alpha, beta = lab.members
    inside = "ip netns exec " + lab.namespace("client")
    print(f"""
The lab is left up. Try:
  {shlex.join(alpha.ctl_command("cluster", "status"))}
  {shlex.join(beta.ctl_command("session", "list"))}
  {shlex.join(alpha.ctl_command("cluster", "failover", "--yes"))}      (of the active member)
  {inside} ping -I {CLIENT_V4_HIDDEN} {SERVER_V4}
  kill -9 {alpha.process.pid}      ({alpha.name}; start it again:
    ip netns exec {lab.namespace(alpha.name)} {alpha.lab.program("phalanxd")} --config {alpha.config_file})
Logs: {alpha.log_file} {beta.log_file}
Take it down: python3 {os.path.relpath(__file__)} --clean""")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build/release", metavar="DIR", help="where the programs were built")
    parser.add_argument("--report", metavar="FILE", help="write what was measured there, as JSON")
    parser.add_argument("--engine", default="cpu", choices=sorted(Lab.ENGINES),
                        help="an emulated card in each member, by XRT or OpenCL, or in one only (mixed); default: %(default)s")
    parser.add_argument("--keep", action="store_true", help="leave cluster and networks up, and say what to try")
    parser.add_argument("--members", type=int, default=2, metavar="N", help="members of the cluster; 2 is all there is yet")
    parser.add_argument("--clean", action="store_true", help="take down what --keep left, and nothing else")
    arguments = parser.parse_args()
    if arguments.members != 2:
        parser.error(f"a demo of {arguments.members} members is not there: 2 is all that it can")
    return arguments


def show(lab, timeline):
    """Runs the demo; the report, also of one that failed on its way."""
    demo = Demo(lab, timeline)
    watch = LogWatch(lab, timeline)
    try:
        report = demo.run()
    except LabError as error:
        demo.check(False, str(error))
        report = {"schema": "phalanx-demo/1", "ok": False, "failures": demo.failures, "events": demo.events}
    finally:
        watch.stop()
    report["seconds"] = round(time.monotonic() - timeline.start, 1)
    print("\n" + table(report) + "\n")
    if not report["ok"]:
        print("\n".join("FAILED: " + failure for failure in report["failures"]))
        print(lab.logs())
        print(lab.drops())
    totals = report.get("totals")
    if totals:
        print(f"{totals['bytes_checked']} bytes checked, {totals['bytes_wrong']} wrong; {totals['probes_lost']} of "
              f"{totals['probes_sent']} probes lost; gaps below {GAP_FLOOR_MS} ms are not told apart from none.")
    print(f"{'ok' if report['ok'] else 'NOT OK'}, {report['seconds']} s")
    return report


def main():
    arguments = parse_arguments()
    exit_on_signals()
    if arguments.clean:
        print("\n".join(clean()) or "nothing to take down")
        return 0
    try:
        with Lab(arguments.build, engine=arguments.engine) as lab:
            report = show(lab, Timeline())
            if arguments.report:
                with open(arguments.report, "w", encoding="utf-8") as file:
                    json.dump(report, file, indent=2)
                    file.write("\n")
            if arguments.keep:
                lab.keep = True
                explain_kept(lab)
            return 0 if report["ok"] else 1
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; everything is taken down", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
