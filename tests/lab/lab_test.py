"""A cluster of two real daemons in everyday use.

Usage: lab_test.py BUILD_FOLDER. Judged is what the programs and the daemons say; nothing depends on how fast the machine is
but the limits after which the test gives up.
"""
import os
import subprocess
import sys
import time
import unittest

import yaml

from lab import (CLIENT_V4, CLIENT_V4_HIDDEN, CLIENT_V6, CLIENT_V6_HIDDEN, FAMILIES, GATEWAY, Lab, SERVER_V4, SERVER_V6,
                 exit_on_signals, wait_for)
from traffic import Traffic

BUILD = sys.argv.pop(1)
LAB = None


def setUpModule():
    global LAB
    exit_on_signals()
    LAB = Lab(BUILD)
    LAB.__enter__()
    unittest.addModuleCleanup(LAB.close)
    LAB.start_members()


class LabTest(unittest.TestCase):
    """Every test begins with a whole pair; a failing one shows the logs."""

    def setUp(self):
        self.active, self.standby = LAB.wait_pair()

    def tearDown(self):
        if any(error for _, error in self._outcome.result.failures[-1:] + self._outcome.result.errors[-1:]):
            print(LAB.logs(20), file=sys.stderr)

    def ping(self, source, target, *options):
        done = LAB.run_in("client", "ping", "-c", "3", "-i", "0.1", "-W", "2", "-I", source, *options, target)
        return done.returncode, done.stdout + done.stderr


class A1_Ping(LabTest):
    def test_through_every_way(self):
        for name, source, target in FAMILIES:
            with self.subTest(name):
                code, text = self.ping(source, target)
                self.assertEqual(code, 0, text)
                self.assertIn("3 received", text)

    def test_the_gateway_answers_on_its_virtual_addresses(self):
        for source, target in ((CLIENT_V4, GATEWAY["lan"][0]), (CLIENT_V6, GATEWAY["lan"][1])):
            code, text = self.ping(source, target)
            self.assertEqual(code, 0, text)

    def test_fragmented_datagrams_pass(self):
        for name, source, target in FAMILIES:
            with self.subTest(name):
                code, text = self.ping(source, target, "-s", "4000")
                self.assertEqual(code, 0, text)
                self.assertIn("4008 bytes from", text)

    def test_time_exceeded_comes_from_the_gateway(self):
        for source, target, gateway in ((CLIENT_V4, SERVER_V4, GATEWAY["lan"][0]), (CLIENT_V6, SERVER_V6, GATEWAY["lan"][1])):
            code, text = self.ping(source, target, "-t", "1")
            self.assertNotEqual(code, 0, text)
            self.assertRegex(text, rf"From {gateway}.*Time (to live )?exceeded")

    def test_what_is_too_big_for_the_next_link_is_told_its_mtu(self):
        """Members have 1500 on both sides here, so the client sends larger than that by a larger MTU of its own link."""
        for name in ("client", "sw1"):
            LAB.ip(name, "link", "set", "eth0" if name == "client" else "client", "mtu", 4000)
        self.addCleanup(LAB.ip, "client", "link", "set", "eth0", "mtu", 1500)
        self.addCleanup(LAB.ip, "sw1", "link", "set", "client", "mtu", 1500)
        for member in LAB.members:
            LAB.ip(member.name, "link", "set", "lan", "mtu", 4000)
            LAB.ip("sw1", "link", "set", f"m{member.id}", "mtu", 4000)
            self.addCleanup(LAB.ip, member.name, "link", "set", "lan", "mtu", 1500)
            self.addCleanup(LAB.ip, "sw1", "link", "set", f"m{member.id}", "mtu", 1500)
        for source, target, words in ((CLIENT_V4, SERVER_V4, "Frag needed and DF set .mtu = 1500"),
                                      (CLIENT_V6, SERVER_V6, "Packet too big: mtu=1500")):
            code, text = self.ping(source, target, "-M", "do", "-s", "3000")
            self.assertNotEqual(code, 0, text)
            self.assertRegex(text, words)


class A2_Rules(LabTest):
    def test_reject_answers_and_drop_does_not(self):
        rejected = LAB.run_in("client", "curl", "-sS", "--max-time", "5", f"http://{SERVER_V4}:25/")
        self.assertEqual(rejected.returncode, 7, rejected.stderr)  # refused at once
        dropped = LAB.run_in("client", "curl", "-sS", "--max-time", "1", f"http://{SERVER_V4}:23/")
        self.assertEqual(dropped.returncode, 28, dropped.stderr)  # timed out
        self.assertGreater(self.active.counters()["drop.policy_reject"], 0)
        self.assertGreater(self.active.counters()["drop.policy_drop"], 0)

    def test_what_the_outside_begins_is_dropped(self):
        done = LAB.run_in("server", "ping", "-c", "1", "-W", "1", CLIENT_V4)
        self.assertEqual(done.returncode, 1, done.stdout)


class A3_Configuration(unittest.TestCase):
    def check(self, text):
        path = os.path.join(LAB.folder, "checked.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path, subprocess.run([LAB.program("phalanxd"), "--check", path], capture_output=True, text=True, timeout=20)

    def test_a_right_one_is_ok(self):
        _, done = self.check(yaml.safe_dump(LAB.members[0].config(), sort_keys=False))
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_a_wrong_one_is_told_with_file_and_line(self):
        text = yaml.safe_dump(LAB.members[0].config(), sort_keys=False).replace("profile: FAST", "profile: FASTER")
        line = text.splitlines().index("  profile: FASTER") + 1
        path, done = self.check(text)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{path}:{line}:", done.stderr)


class B_Failover(LabTest):
    """One set of programs, and what befalls the cluster meanwhile."""

    @classmethod
    def setUpClass(cls):
        LAB.wait_pair()
        cls.traffic = Traffic(LAB, connections=4, iperf_mbit=0)

    def test_1_sessions_are_on_both_members(self):
        for member in (self.active, self.standby):
            for source in (CLIENT_V4, CLIENT_V4_HIDDEN, CLIENT_V6, CLIENT_V6_HIDDEN):
                def established():
                    answer, code = member.ctl("session", "count", "--source", source, "--state", "tcp_established")
                    return code == 0 and answer["count"] == 4
                with self.subTest(member=member.name, source=source):
                    wait_for(f"4 sessions of {source} on {member.name}", established)
            answer, code = member.ctl("session", "list", "--source", CLIENT_V4_HIDDEN, "--limit", "0")
            self.assertEqual(code, 0)
            self.assertIn(GATEWAY["wan"][0], str(answer["sessions"]))

    def test_2_planned_failover_loses_nothing(self):
        before = self.traffic.state()
        answer, code = self.active.ctl("cluster", "failover", "--yes")
        self.assertEqual(code, 0, answer)
        self.assertEqual(self.standby.wait_state("ACTIVE"), "ACTIVE")
        LAB.wait_pair()
        self.assertTrue(self.traffic.settle())
        result = self.traffic.measure("planned", before)
        self.assertEqual([result[k] for k in ("probes_lost", "tcp_lost", "bytes_wrong")], [0, 0, 0], result)

    def test_3_a_killed_member_costs_no_connection_and_comes_back(self):
        before = self.traffic.state()
        self.active.kill9()
        self.standby.wait_state("ACTIVE", "ACTIVE_ATTENTION")
        self.active.start()
        self.assertEqual(LAB.wait_pair(), (self.standby, self.active))
        self.assertTrue(self.traffic.settle())
        result = self.traffic.measure("kill -9", before)
        self.assertEqual([result[k] for k in ("tcp_lost", "bytes_wrong")], [0, 0], result)

    def test_4_who_was_active_twice_goes_on_with_what_moved_meanwhile(self):
        """Fast streams move their windows on while the first member is standby; then it decides again."""
        for _ in range(2):
            time.sleep(1)
            active, _ = LAB.wait_pair()
            before = self.traffic.state()
            self.assertEqual(active.ctl("cluster", "failover", "--yes")[1], 0)
            LAB.wait_pair()
            self.assertTrue(self.traffic.settle())
            self.assertEqual(self.traffic.measure("again", before)["tcp_lost"], 0)

    @classmethod
    def tearDownClass(cls):
        totals = cls.traffic.finish()
        if totals["tcp_lost"] or totals["bytes_wrong"] or not totals["bytes_checked"]:
            raise AssertionError(totals)


class C_OnTheWire(LabTest):
    def test_tshark_reads_every_state_report(self):
        for link in ("lan", "sync"):
            with self.subTest(link):
                done = LAB.run_in(self.active.name, "tshark", "-i", link, "-f", "udp port 8116", "-c", "100", "-a",
                                  "duration:10", "-T", "fields", "-e", "_ws.col.Protocol", "-e", "_ws.malformed")
                rows = done.stdout.splitlines()
                self.assertEqual(len(rows), 100, done.stderr)
                self.assertEqual({row.strip() for row in rows}, {"CPHA"})

    def test_state_sync_is_sealed(self):
        """Nothing of a session shows on the sync network: the addresses of a new one don't."""
        capture = os.path.join(LAB.folder, "sync.pcap")
        watching = LAB.spawn(self.active.name, ["tshark", "-i", "sync", "-f", "udp port 8116", "-w", capture, "-a", "duration:3"])
        wait_for("capture", lambda: os.path.exists(capture) and os.path.getsize(capture) > 0)
        while watching.poll() is None:
            self.ping(CLIENT_V6_HIDDEN, SERVER_V6)
        done = subprocess.run(["tshark", "-r", capture, "-T", "fields", "-e", "udp.payload"], capture_output=True, text=True,
                              timeout=30)
        self.assertGreater(len(done.stdout.split()), 0)
        self.assertNotIn("fd000001000000000000000000010010", done.stdout)


class D_Stop(LabTest):
    def test_stopped_on_purpose_hands_over_and_ends_cleanly(self):
        self.assertEqual(self.active.stop(), 0, "exit code")
        self.standby.wait_state("ACTIVE", "ACTIVE_ATTENTION")
        code, text = self.ping(CLIENT_V4, SERVER_V4)
        self.assertEqual(code, 0, text)
        self.active.start()
        LAB.wait_pair()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + ["-v"])
