"""The traffic tools against each other: on loopback, and on a veth pair inside a network namespace of this test's own.

Usage: tools_test.py FOLDER_OF_THE_TOOLS. Judged is what the JSON says; no test depends on how fast the machine is.
"""
import json
import os
import signal
import subprocess
import sys
import unittest

FOLDER = sys.argv.pop(1)
NAMESPACE = f"phxtools{os.getpid()}"
PATIENCE_S = 40


def start(tool, *arguments, namespace=None):
    prefix = ["ip", "netns", "exec", namespace] if namespace else []
    command = prefix + [os.path.join(FOLDER, "phalanx-" + tool)] + [str(a) for a in arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process, interrupt=False):
    """The tool's JSON lines, the last of them the result."""
    if interrupt:
        process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=PATIENCE_S)
    if process.returncode != 0:
        raise AssertionError(f"exit code {process.returncode}: {errors}")
    return [json.loads(line) for line in output.splitlines()]


def start_server(tool, *arguments):
    """A server that has said that it is ready."""
    server = start(tool, "server", "--follow", *arguments)
    line = server.stdout.readline()
    if not json.loads(line).get("ready"):
        raise AssertionError(line)
    return server


def run(*arguments):
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout


class Loopback(unittest.TestCase):
    def test_probe(self):
        for address in ("127.0.0.1", "::1"):
            with self.subTest(address):
                server = start_server("probe", "--bind", address, "--port", 17001)
                client = start("probe", "client", "--to", address, "--port", 17001, "--seconds", 2, "--rate", 500, "--follow")
                lines = finish(client)
                counts = finish(server, interrupt=True)[-1]
                result = lines[-1]
                self.assertEqual(result["sent"], 1000)
                self.assertEqual(result["received"], 1000)
                self.assertEqual([result[k] for k in ("lost", "duplicated", "reordered", "foreign")], [0, 0, 0, 0])
                self.assertEqual(counts["echoed"], 1000)
                self.assertGreater(result["rtt_p50_us"], 0)
                self.assertLessEqual(result["rtt_p50_us"], result["rtt_p99_us"])
                self.assertLessEqual(result["rtt_p99_us"], result["rtt_max_us"])
                self.assertEqual(result["gap_count"], len(result["gaps"]))
                self.assertTrue(any("rtt_p99_us" in line and "t_s" in line for line in lines[:-1]))

    def test_probe_sees_an_outage(self):
        """The server is stopped, killed and started anew: one long gap with what was lost in it."""
        server = start_server("probe", "--bind", "127.0.0.1", "--port", 17011)
        client = start("probe", "client", "--to", "127.0.0.1", "--port", 17011, "--seconds", 4, "--rate", 1000,
                       "--gap-ms", 100, "--follow")
        self.assertIn("t_s", client.stdout.readline())
        finish(server, interrupt=True)
        line = {}
        while line.get("silent_ms", 0) < 300:
            line = json.loads(client.stdout.readline())
        server = start_server("probe", "--bind", "127.0.0.1", "--port", 17011)
        lines = finish(client)
        finish(server, interrupt=True)
        result = lines[-1]
        longest = max(result["gaps"], key=lambda gap: gap["ms"])
        self.assertGreaterEqual(longest["ms"], 300)
        self.assertGreaterEqual(longest["server_ms"], 300)
        self.assertEqual(longest["ms"], result["longest_gap_ms"])
        self.assertFalse(longest["open"])
        self.assertGreaterEqual(longest["lost"], 300)
        self.assertEqual(result["lost"], result["sent"] - result["received"])
        self.assertGreaterEqual(result["lost"], longest["lost"])
        self.assertIn({"gap": longest}, lines)

    def test_probe_without_a_server(self):
        client = start("probe", "client", "--to", "127.0.0.1", "--port", 17012, "--seconds", 1, "--rate", 100)
        result = finish(client)[-1]
        self.assertEqual((result["sent"], result["received"], result["lost"]), (100, 0, 100))
        self.assertEqual([(gap["lost"], gap["open"]) for gap in result["gaps"]], [(100, True)])

    def test_rtt(self):
        for address in ("127.0.0.1", "::1"):
            server = start_server("rtt", "--bind", address, "--port", 17002)
            result = finish(start("rtt", "client", "--to", address, "--port", 17002, "--count", 500))[-1]
            self.assertEqual(finish(server, interrupt=True)[-1]["echoed"], 500)
            self.assertEqual((result["sent"], result["received"], result["lost"]), (500, 500, 0))
            quantiles = [result[k] for k in ("rtt_p50_us", "rtt_p99_us", "rtt_p999_us", "rtt_max_us")]
            self.assertGreater(quantiles[0], 0)
            self.assertEqual(quantiles, sorted(quantiles))

    def test_rtt_counts_loss(self):
        result = finish(start("rtt", "client", "--to", "127.0.0.1", "--port", 17013, "--count", 3, "--timeout-ms", 20))[-1]
        self.assertEqual((result["sent"], result["received"], result["lost"]), (3, 0, 3))

    def test_stream(self):
        for address, sources in (("127.0.0.1", "127.0.0.5-127.0.0.8"), ("::1", "::1")):
            with self.subTest(address):
                server = start_server("stream", "--bind", address, "--port", 17003)
                client = start("stream", "client", "--to", address, "--bind", sources, "--port", 17003, "--connections",
                               20, "--seconds", 2, "--rate", 100000, "--seed", 7, "--follow")
                result = finish(client)[-1]
                counts = finish(server, interrupt=True)[-1]
                self.assertEqual([result["connections_" + k] for k in ("before", "after", "lost")], [20, 20, 0])
                self.assertEqual(counts["connections"], 20)
                self.assertEqual((result["wrong_bytes"], counts["wrong_bytes"]), (0, 0))
                self.assertGreater(result["received_bytes"], 0)
                self.assertGreater(counts["received_bytes"], 0)
                self.assertLessEqual(result["received_bytes"], counts["sent_bytes"])
                self.assertEqual(len(result["stalls_ms"]), 20)
                self.assertEqual(max(result["stalls_ms"]), round(result["longest_stall_ms"], 1))

    def test_stream_tells_lost_connections(self):
        server = start_server("stream", "--bind", "127.0.0.1", "--port", 17014)
        client = start("stream", "client", "--to", "127.0.0.1", "--port", 17014, "--connections", 5, "--seconds", 30,
                       "--follow")
        self.assertEqual(json.loads(client.stdout.readline())["connections"], 5)
        server.kill()
        server.communicate(timeout=PATIENCE_S)
        line = {"alive": 5}
        while line["alive"] > 0:
            line = json.loads(client.stdout.readline())
        result = finish(client, interrupt=True)[-1]
        self.assertEqual([result["connections_" + k] for k in ("before", "after", "lost")], [5, 0, 5])
        self.assertEqual(len(result["errors"]), 5)

    def test_stream_sees_wrong_bytes(self):
        """A server that sends something else than the stream."""
        import socket
        listener = socket.create_server(("127.0.0.1", 0))
        client = start("stream", "client", "--to", "127.0.0.1", "--port", listener.getsockname()[1], "--connections", 1,
                       "--seconds", 30, "--follow")
        connection, _ = listener.accept()
        self.assertTrue(json.loads(client.stdout.readline())["ready"])
        connection.sendall(bytes(4096))
        line = {}
        while line.get("received_bytes", 0) == 0:
            line = json.loads(client.stdout.readline())
        result = finish(client, interrupt=True)[-1]
        connection.close()
        listener.close()
        self.assertEqual(result["received_bytes"], 4096)
        self.assertGreater(result["wrong_bytes"], 3900)

    def test_newflows(self):
        for protocol in ("udp", "tcp"):
            with self.subTest(protocol):
                server = start_server("newflows", "--bind", "127.0.0.1", "--port", 17004, "--protocol", protocol)
                client = start("newflows", "client", "--to", "127.0.0.1", "--bind", "127.0.0.2-127.0.0.4", "--port",
                               17004, "--protocol", protocol, "--rate", 300, "--seconds", 2)
                result = finish(client)[-1]
                counts = finish(server, interrupt=True)[-1]
                self.assertGreater(result["opened"], 0)
                self.assertEqual(result["attempted"], result["opened"])
                self.assertEqual(counts["received"], result["opened"])
                self.assertEqual(result["distinct_max"], 150000)

    def test_newflows_counts_refusals(self):
        result = finish(start("newflows", "client", "--to", "127.0.0.1", "--bind", "127.0.0.1", "--port", 17015,
                              "--protocol", "tcp", "--rate", 100, "--seconds", 1))[-1]
        self.assertEqual(result["opened"], 0)
        self.assertEqual(result["failed"], result["attempted"])

    def test_wrong_command_lines_are_refused(self):
        for arguments in (("probe",), ("probe", "neither"), ("probe", "client", "--rate", "x", "--to", "::1"),
                          ("probe", "client", "--to", "example"), ("rtt", "client", "--unknown", "1"),
                          ("flood", "--interface", "lo"), ("sink", "--interface", "nowhere"),
                          ("stream", "client", "--to"), ("newflows", "client", "--to", "::1"),
                          ("stream", "client", "--to", "127.0.0.1", "--bind", "127.0.0.9-127.0.0.1")):
            process = start(*arguments)
            process.communicate(timeout=PATIENCE_S)
            self.assertEqual(process.returncode, 2, arguments)
        for tool in ("probe", "stream", "flood", "sink", "newflows", "rtt"):
            process = start(tool, "--help")
            self.assertIn("--seconds", process.communicate(timeout=PATIENCE_S)[0])
            self.assertEqual(process.returncode, 0)


class FloodAndSink(unittest.TestCase):
    def setUp(self):
        run("ip", "netns", "add", NAMESPACE)
        self.addCleanup(run, "ip", "netns", "del", NAMESPACE)
        run("ip", "-n", NAMESPACE, "link", "add", "left", "type", "veth", "peer", "name", "right")
        for name in ("left", "right"):
            run("ip", "-n", NAMESPACE, "link", "set", name, "up")

    def flood(self, *more):
        return start("flood", "--interface", "left", "--src-mac", "02:00:00:00:00:01", "--dst-mac", "02:00:00:00:00:02",
                     "--src-ip", "10.1.0.1", "--dst-ip", "10.2.0.1", *more, namespace=NAMESPACE)

    def test_sink_counts_what_flood_sends(self):
        sink = start("sink", "--interface", "right", "--seconds", 30, "--follow", namespace=NAMESPACE)
        self.assertTrue(json.loads(sink.stdout.readline())["ready"])
        other = finish(self.flood("--seconds", 1, "--rate", 100, "--port", 9001))[-1]
        sent = finish(self.flood("--seconds", 2, "--rate", 2000, "--flows", 64))[-1]
        received = finish(sink, interrupt=True)[-1]
        self.assertGreater(other["sent"], 0)
        self.assertGreater(sent["sent"], 0)
        self.assertLessEqual(sent["sent"], 4000)
        self.assertEqual(sent["errors"], 0)
        self.assertEqual(received["received"], sent["sent"])
        self.assertLessEqual(sum(received["per_second"]), received["received"])

    def test_frames_are_right_and_flows_distinct(self):
        """tshark judges."""
        capture = subprocess.Popen(
            ["ip", "netns", "exec", NAMESPACE, "tshark", "-i", "right", "-c", "1000", "-a", "duration:20", "-l",
             "-o", "ip.check_checksum:TRUE", "-f", "udp port 9000", "-T", "fields", "-e", "ip.src", "-e", "udp.srcport",
             "-e", "ip.checksum.status", "-e", "frame.len", "-e", "udp.length"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        flood = self.flood("--seconds", 15, "--rate", 1000, "--flows", 100000, "--size", 128)
        output, _ = capture.communicate(timeout=PATIENCE_S)
        finish(flood, interrupt=True)
        rows = [line.split("\t") for line in output.splitlines()]
        self.assertEqual(len(rows), 1000)
        self.assertEqual(len({(row[0], row[1]) for row in rows}), 1000)
        self.assertEqual({tuple(row[2:]) for row in rows}, {("1", "124", "90")})

    def test_flat_out_and_stopped_early(self):
        flood = self.flood("--seconds", 60)
        sink = start("sink", "--interface", "right", "--seconds", 2, namespace=NAMESPACE)
        self.assertGreater(finish(sink)[-1]["received"], 0)
        result = finish(flood, interrupt=True)[-1]
        self.assertGreater(result["sent"], 0)
        self.assertEqual(result["offered"], result["sent"] + result["errors"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + ["-v"])
