"""Work on a card while its member forwards: phalanxctl cards against a real daemon with the emulated card.

Usage: cards_test.py BUILD_FOLDER. One member has a card, the other the CPU engine; connections go through all the while.
"""
import json
import os
import shutil
import subprocess
import sys
import unittest

from lab import Lab, LabError, Member, exit_on_signals, run, wait_for
from traffic import Traffic

BUILD = sys.argv.pop(1)
LAB = None
ENGINES = ["card", "cpu"]  # of LAB.members


def signed_copy(name, key):
    """The build's bitstream under another name in the lab's folder, signed by `key`; gives its path."""
    path = os.path.join(LAB.folder, name + ".xclbin")
    for ending in (".xclbin", ".manifest"):
        shutil.copy(os.path.join(LAB.build, "bitstreams", "phalanx-sw_emu" + ending),
                    os.path.join(LAB.folder, name + ending))
    run(os.path.join(LAB.build, "bitstreams", "phalanx-xclbin"), "sign", "--key", os.path.join(LAB.folder, key), path)
    return path


class MemberWithSignedCard(Member):
    def engine_config(self):
        config = super().engine_config()
        if config:
            config["engine"]["card"].update(bitstream=os.path.join(self.lab.folder, "running.xclbin"),
                                            trusted_keys=os.path.join(self.lab.folder, "trusted.pem"), allow_unsigned=False)
        return config


def setUpModule():
    global LAB
    exit_on_signals()
    LAB = Lab(BUILD, engine="mixed")
    LAB.__enter__()
    unittest.addModuleCleanup(LAB.close)
    LAB.members = [MemberWithSignedCard(LAB, n) for n in (1, 2)]
    for name in ("trusted", "stranger"):
        key = os.path.join(LAB.folder, name + ".key")
        run("openssl", "genpkey", "-algorithm", "ed25519", "-out", key)
        run("openssl", "pkey", "-in", key, "-pubout", "-out", os.path.join(LAB.folder, name + ".pem"))
    signed_copy("running", "trusted.key")
    try:
        LAB.start_members()
        LAB.wait_cards()
    except LabError:
        print(LAB.logs(30), file=sys.stderr)
        raise


class Cards(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.member = LAB.members[0]
        LAB.wait_pair()
        cls.traffic = Traffic(LAB, connections=4, iperf_mbit=0)

    def setUp(self):
        """The member with the card forwards, by its card. A busy machine may have changed the roles meanwhile."""
        active, _ = LAB.wait_pair()
        if active is not self.member:
            self.assertEqual(active.ctl("cluster", "failover", "--yes")[1], 0)
            self.member.wait_state("ACTIVE")
            LAB.wait_pair()
        wait_for("card that decides", lambda: self.card()["offload"] == "CARD", 60)
        self.before = self.traffic.state()
        self.pids = [m.process.pid for m in LAB.members]

    def tearDown(self):
        if any(error for _, error in self._outcome.result.failures[-1:] + self._outcome.result.errors[-1:]):
            print(LAB.logs(30), file=sys.stderr)

    def nothing_lost(self):
        self.assertTrue(self.traffic.settle())
        result = self.traffic.measure(self.id(), self.before)
        self.assertEqual([result[k] for k in ("tcp_lost", "bytes_wrong")], [0, 0], result)

    def engine_went_away_and_back(self, before):
        """From the card to the CPU engine and back, as the counters `before` and those of now have it. The traffic never
        stops, so whichever engine decides has operations; each session is copied to the card."""
        wait_for("card that decides again", lambda: self.card()["offload"] == "CARD", 60)
        back = self.member.counters()
        self.assertEqual(back["card.moves_to_cpu"], before["card.moves_to_cpu"] + 1)
        for name in ("card.starts", "card.moves_to_card", "card.operations_on_cpu"):
            self.assertGreater(back[name], before[name], name)
        connections = self.traffic.connections * len(self.traffic.streams)
        self.assertGreaterEqual(back["card.copied"], before["card.copied"] + connections)
        wait_for("operations on the card", lambda: self.member.counters()["card.operations_on_card"] >
                 back["card.operations_on_card"])
        self.no_member_restarted()

    def no_member_restarted(self):
        self.assertEqual([m.running() and m.process.pid for m in LAB.members], self.pids)
        self.assertEqual([self.engine(m) for m in LAB.members], ENGINES)

    def engine(self, member):
        answer, _ = member.ctl("version")
        return answer["version"]["engine"]

    def card(self):
        answer, _ = self.member.ctl("cards", "list")
        return answer["cards"][0]

    def cards(self, *arguments):
        """A command's lines as JSON, its exit code and what it says for people."""
        done = subprocess.run(self.member.ctl_command("--output", "json", "cards", *arguments), capture_output=True,
                              text=True, timeout=120)
        return [json.loads(line) for line in done.stdout.splitlines()], done.returncode, done.stderr

    def steps(self, lines):
        return [line["progress"]["step"] for line in lines if line["progress"]["step"] != "MOVING_BACK"]

    def test_1_the_list_says_what_it_is(self):
        card = self.card()
        self.assertEqual((card["device"], card["state"], card["degraded"]), ("emulated", "READY", False))
        self.assertEqual(card["bitstream"]["problem"], "")
        self.assertTrue(card["bitstream"]["trusted"])
        self.assertEqual(sorted(k["name"] for k in card["bitstream"]["kernels"]),
                         ["esp_crypto", "session_engine", "state_delta"])
        self.assertGreater(self.member.counters()["card.operations_on_card"], 0)
        _, code = LAB.members[1].ctl("cards", "list")
        self.assertEqual(code, 1)

    def test_2_a_wrong_signature_touches_nothing(self):
        running = os.path.join(LAB.folder, "running.xclbin")
        inode, moves = os.stat(running).st_ino, self.member.counters()["card.moves_to_cpu"]
        lines, code, told = self.cards("load", signed_copy("foreign", "stranger.key"))
        self.assertEqual((code, self.steps(lines)), (1, ["RECEIVED"]))
        self.assertRegex(told, "foreign.manifest: signer: key [0-9a-f]{16} is not among the 1 trusted ones")
        self.assertEqual((os.stat(running).st_ino, self.member.counters()["card.moves_to_cpu"]), (inode, moves))
        self.nothing_lost()

    def test_3_another_bitstream_costs_no_connection(self):
        running = os.path.join(LAB.folder, "running.xclbin")
        inode, counters = os.stat(running).st_ino, self.member.counters()
        lines, code, told = self.cards("load", signed_copy("next", "trusted.key"))
        self.assertEqual(code, 0, told)
        self.assertEqual(self.steps(lines), ["RECEIVED", "CHECKED", "MOVED_AWAY", "STOPPED", "PROGRAMMED", "DONE"])
        self.assertNotEqual(os.stat(running).st_ino, inode)
        self.assertFalse([f for f in os.listdir(LAB.folder) if f.endswith((".new", ".former"))])
        self.engine_went_away_and_back(counters)
        self.nothing_lost()

    def test_4_self_test(self):
        lines, code, told = self.cards("self-test")
        self.assertEqual(code, 0, told)
        tests = {p["name"]: p["failed"] for p in (line["progress"] for line in lines) if p["step"] == "TESTED"}
        self.assertEqual(tests, {"session_engine": False, "state_delta": False, "esp_crypto": False})
        self.nothing_lost()

    def test_5_sensors(self):
        lines, code, told = self.cards("sensors")
        self.assertEqual(code, 0, told)
        self.assertIn("a process of its own", lines[0]["sensors"]["source"])
        self.assertTrue(lines[0]["sensors"]["sensors"])

    def test_6_reset(self):
        process, counters = self.member.card_process(), self.member.counters()
        lines, code, told = self.cards("reset")
        self.assertEqual(code, 0, told)
        self.assertEqual(self.steps(lines), ["MOVED_AWAY", "STOPPED", "RESET", "PROGRAMMED", "DONE"])
        self.assertNotEqual(self.member.card_process()[0], process[0])
        self.engine_went_away_and_back(counters)
        self.nothing_lost()

    @classmethod
    def tearDownClass(cls):
        totals = cls.traffic.finish()
        if totals["tcp_lost"] or totals["bytes_wrong"] or not totals["bytes_checked"]:
            raise AssertionError(totals)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + ["-v"])
