"""Real programs through the cluster, followed while they run: probes, checked TCP streams, iperf3, a download."""
import hashlib
import json
import os
import subprocess
import sys
import threading
import time

from lab import FAMILIES, LabError, SERVER_V4, SERVER_V6, wait_for

SECONDS_MAX = 300  # what runs longer than a demo ends by itself
PROBE_PORT, STREAM_PORT, IPERF_PORT, HTTP_PORT = 7001, 7003, 5201, 8080
PROBE_RATE = 1000
GAP_FLOOR_MS = 2  # two intervals of the probes: no shorter gap is told
FIFO = 20  # priority of probes: what they measure is the cluster, not the scheduler


class Followed:
    """A program that writes a JSON object a line; each is kept with the time it came."""

    def __init__(self, lab, namespace, arguments):
        self.process = lab.spawn(namespace, arguments, stdout=subprocess.PIPE, text=True)
        self.lines = []
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        try:
            for line in self.process.stdout:
                self.lines.append((time.monotonic(), json.loads(line)))
        except ValueError:
            pass  # cut short: the lab was taken down meanwhile

    def wait_line(self, what, condition, seconds=15):
        """The first line that fits, those of before included."""
        return wait_for(what, lambda: next((l for _, l in list(self.lines) if condition(l)), None), seconds)

    def last(self, key, until=None):
        """The latest line that has `key`, by a time; None if there is none."""
        for at, line in reversed(list(self.lines)):
            if key in line and (until is None or at <= until):
                return line
        return None

    def since(self, key, begin):
        return [line for at, line in list(self.lines) if at >= begin and key in line]

    def finish(self):
        """Ends the program and gives its result, the last line."""
        self.process.send_signal(2)
        self.process.wait(timeout=10)
        self.thread.join(timeout=10)
        return self.lines[-1][1] if self.lines else {}


class Download:
    """curl fetches a file of random bytes; what arrives is hashed."""

    def __init__(self, lab, megabytes, megabytes_per_s):
        self.size = megabytes << 20
        folder = os.path.join(lab.folder, "www")
        os.mkdir(folder)
        digest = hashlib.sha256()
        with open(os.path.join(folder, "file"), "wb") as file:
            for _ in range(megabytes):
                block = os.urandom(1 << 20)
                digest.update(block)
                file.write(block)
        self.expected, self.digest, self.received = digest.hexdigest(), hashlib.sha256(), 0
        lab.spawn("server", [sys.executable, "-m", "http.server", HTTP_PORT, "--bind", SERVER_V4, "--directory", folder])
        wait_for("web server", lambda: lab.run_in("server", "curl", "-sI", f"http://{SERVER_V4}:{HTTP_PORT}/file").returncode == 0)
        self.process = lab.spawn("client", ["curl", "-sS", "--limit-rate", f"{megabytes_per_s}M",
                                            f"http://{SERVER_V4}:{HTTP_PORT}/file"], stdout=subprocess.PIPE)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        try:
            while block := self.process.stdout.read1(1 << 16):
                self.digest.update(block)
                self.received += len(block)
        except ValueError:
            pass  # the lab was taken down meanwhile

    def done(self):
        return self.process.poll() is not None

    def right(self):
        self.thread.join(timeout=5)
        return self.process.returncode == 0 and self.digest.hexdigest() == self.expected


class Iperf:
    """iperf3 at a fixed rate, one way."""

    def __init__(self, lab, name, server, port, megabits, reverse):
        self.name, self.folder = name, lab.folder
        self.server = lab.spawn("server", ["iperf3", "-s", "-1", "-B", server, "-p", port])
        wait_for(f"iperf3 server on port {port}", lambda: str(port) in lab.run_in("server", "ss", "-Htln").stdout)
        self.file = os.path.join(lab.folder, f"iperf-{port}.txt")
        self.process = lab.spawn("client", ["iperf3", "-c", server, "-p", port, "-b", f"{megabits}M", "-t", SECONDS_MAX,
                                            "-f", "m", "-i", "1", "--forceflush", *(["-R"] if reverse else [])],
                                 stdout=open(self.file, "wb"))

    def rates(self):
        """Mbit/s of each second so far."""
        out = []
        with open(self.file, encoding="utf-8") as file:
            for line in file:
                words = line.split()
                if "Mbits/sec" in words and "sender" not in words and "receiver" not in words:
                    out.append(float(words[words.index("Mbits/sec") - 1]))
        return out

    def alive(self):
        return self.process.poll() is None


class Traffic:
    """All programs at once. `download` is (megabytes, megabytes a second) or None; `iperf_mbit` 0: none."""

    def __init__(self, lab, connections=16, stream_rate=20000, iperf_mbit=300, download=None):
        self.lab, self.connections = lab, connections
        servers = [self._follow("server", "probe", "server", "--bind", a, "--port", PROBE_PORT, "--fifo", FIFO)
                   for a in (SERVER_V4, SERVER_V6)]
        self.stream_servers = [self._follow("server", "stream", "server", "--bind", a, "--port", STREAM_PORT)
                               for a in (SERVER_V4, SERVER_V6)]
        for server in servers + self.stream_servers:
            server.wait_line("server that is ready", lambda line: line.get("ready"))
        self.probes, self.streams = {}, {}
        for seed, (name, client, server) in enumerate(FAMILIES):
            self.streams[name] = self._follow("client", "stream", "client", "--to", server, "--bind", client, "--port",
                                              STREAM_PORT, "--connections", connections, "--rate", stream_rate, "--seed", seed)
            self.probes[name] = self._follow("client", "probe", "client", "--to", server, "--bind", client, "--port", PROBE_PORT,
                                             "--rate", PROBE_RATE, "--gap-ms", GAP_FLOOR_MS, "--fifo", FIFO)
        for name, stream in self.streams.items():
            ready = stream.wait_line(f"streams over {name}", lambda line: line.get("ready"))
            if ready["connections"] != connections:
                raise LabError(f"{ready['connections']} of {connections} connections over {name} were made")
        self.iperfs = []
        if iperf_mbit:
            self.iperfs = [Iperf(lab, "IPv4 upload", SERVER_V4, IPERF_PORT, iperf_mbit, False),
                           Iperf(lab, "IPv6 download", SERVER_V6, IPERF_PORT + 1, iperf_mbit, True)]
        self.download = Download(lab, *download) if download else None
        self.settle()

    def _follow(self, namespace, tool, mode, *arguments):
        return Followed(self.lab, namespace, [self.lab.program("phalanx-" + tool), mode, "--follow", "--seconds",
                                              SECONDS_MAX, *arguments])

    def settle(self, seconds=15):
        """Waits until every program has told of a time after now, and no connection stands still any more. True if so."""
        begin = time.monotonic()
        followed = [*self.probes.values(), *self.streams.values(), *self.stream_servers]
        keys = ["lost"] * len(self.probes) + ["stalled"] * (len(self.streams) + len(self.stream_servers))

        def settled():
            fresh = [p.since(k, begin) for p, k in zip(followed, keys)]
            if not all(fresh):
                return False
            return all(lines[-1].get("stalled", 0) == 0 and lines[-1].get("silent_ms", 0) < 100 for lines in fresh)
        try:
            return wait_for("moving traffic", settled, seconds)
        except LabError:
            return False

    def state(self):
        """Counts since the start; to be taken when settled."""
        clients = [s.last("alive") for s in self.streams.values()]
        checked = clients + [s.last("alive") for s in self.stream_servers]
        return {"at": time.monotonic(),
                "probes_lost": sum(p.last("lost")["lost"] for p in self.probes.values()),
                "tcp": sum(c["alive"] - c["stalled"] for c in clients),
                "bytes_wrong": sum(c["wrong_bytes"] for c in checked)}

    def measure(self, name, before, **more):
        """What happened since the state `before`, as an event of the report."""
        after = self.state()
        gaps = [line["gap"]["ms"] for p in self.probes.values() for line in p.since("gap", before["at"])]
        return {"name": name, "gap_ms": round(max(gaps, default=GAP_FLOOR_MS), 1),
                "probes_lost": after["probes_lost"] - before["probes_lost"], "tcp_before": before["tcp"],
                "tcp_after": after["tcp"], "tcp_lost": max(0, before["tcp"] - after["tcp"]),
                "bytes_wrong": after["bytes_wrong"] - before["bytes_wrong"], **more}

    def finish(self):
        """Ends probes and streams; the totals, exact to the probe and the byte."""
        probes = [p.finish() for p in self.probes.values()]
        streams = [s.finish() for s in self.streams.values()]
        servers = [s.finish() for s in self.stream_servers]
        return {"probes_sent": sum(p["sent"] for p in probes), "probes_lost": sum(p["lost"] for p in probes),
                "probes_duplicated": sum(p["duplicated"] for p in probes),
                "rtt_p50_us": max(p["rtt_p50_us"] for p in probes),
                "tcp_connections": self.connections * len(self.streams),
                "tcp_lost": sum(s["connections_lost"] for s in streams),
                "bytes_checked": sum(s["received_bytes"] for s in streams + servers),
                "bytes_wrong": sum(s["wrong_bytes"] for s in streams + servers)}
