"""The traffic tools and iperf3, run between client and server of a topology."""
import json
import os
import signal
import time

from .namespaces import LabError, wait_until
from .topology import CLIENT_POOL, FLOOD_SOURCE, SERVER, SINK


def last_json(program):
    """The result line of a tool that has ended."""
    lines = [line for line in program.text().splitlines() if line.startswith("{")]
    if not lines:
        raise LabError(f"{program.name} said nothing: {program.text()[-400:]}")
    return json.loads(lines[-1])


class Traffic:
    """Tools of one topology. Each server runs until the topology is closed."""

    def __init__(self, topology, binaries):
        self.topology, self.binaries = topology, binaries
        self.servers = {}

    def _start(self, where, tool, *arguments, core=None):
        pin = ["taskset", "-c", str(core)] if core is not None else []
        return self.topology.start(where, tool, *pin, self.binaries.tool(tool), *arguments)

    def _server(self, tool, *arguments):
        if tool in self.servers and self.servers[tool].running():
            return
        server = self._start("server", tool, "server", "--follow", "--bind", SERVER, "--seconds", 3000, *arguments)
        self.servers[tool] = server
        wait_until(lambda: "ready" in server.text(), f"the {tool} server is ready", 5)

    def _finish(self, program, seconds):
        try:
            program.process.wait(seconds + 20)
        except Exception as error:
            program.stop(signal.SIGKILL)
            raise LabError(f"{program.name} did not end") from error
        return last_json(program)

    # Probes at a steady rate; start, do the deed, finish.
    def start_probes(self, rate, seconds, gap_ms=1):
        self._server("probe", "--fifo", 40)
        return self._start("client", "probe", "client", "--to", SERVER, "--rate", rate, "--seconds", seconds, "--gap-ms",
                           gap_ms, "--fifo", 40)

    def finish_probes(self, program):
        return self._finish(program, 60)

    def round_trips(self, seconds):
        self._server("rtt")
        return self._finish(self._start("client", "rtt", "client", "--to", SERVER, "--seconds", seconds), seconds)

    def start_flood(self, flows, seconds, rate=0, core=0, source=FLOOD_SOURCE):
        return self._start("client", "flood", "--interface", "eth0", "--src-mac", self.topology.mac("client", "eth0"),
                           "--dst-mac", self.topology.gateway_mac(), "--src-ip", source, "--dst-ip", SINK, "--flows", flows,
                           "--rate", rate, "--seconds", seconds, core=core)

    def flood(self, flows, seconds, rate=0):
        """The flood's and the sink's results; packets are counted after the first second has warmed up."""
        flood = self.start_flood(flows, seconds + 2, rate)
        time.sleep(1.0)
        before = busy_s()
        sink = self._start("server", "sink", "--interface", "eth0", "--seconds", seconds)
        received = self._finish(sink, seconds)
        busy = busy_s() - before
        flood.stop(signal.SIGINT)
        return {"offered_kpps": last_json(flood)["kpps"], "kpps": received["received"] / received["seconds"] / 1e3,
                "cpu_us": busy * 1e6 / max(received["received"], 1)}

    def start_new_flows(self, rate, seconds, protocol="udp", port=7004, ports=200):
        self._server("newflows", "--protocol", protocol, "--port", port)
        return self._start("client", "newflows", "client", "--to", SERVER, "--bind", CLIENT_POOL, "--protocol", protocol,
                           "--port", port, "--ports", 1 if protocol == "tcp" else ports, "--rate", rate, "--seconds", seconds)

    def finish_new_flows(self, program, seconds):
        return self._finish(program, seconds)

    def fill(self, enough, rate, sessions, patience_s, flows):
        """One-way packets of `flows` UDP flows, again and again, until `sessions()` says that enough are there."""
        deadline = time.monotonic() + patience_s
        flood = self.start_flood(flows, patience_s, rate)
        try:
            while sessions() < enough:
                if time.monotonic() > deadline:
                    raise LabError(f"{sessions()} of {flows} sessions after {patience_s} s")
                time.sleep(0.5 if flows < 100_000 else 2.5)  # counting a million walks the table
        finally:
            flood.stop(signal.SIGINT)

    def iperf(self, seconds):
        """Gb/s of one TCP stream, client to server."""
        if "iperf3" not in self.servers:
            self.servers["iperf3"] = self.topology.start("server", "iperf3", "iperf3", "-s", "-p", 5201)
            time.sleep(0.5)
        text = self.topology.exec("client", "iperf3", "-c", SERVER, "-p", 5201, "-t", seconds, "-O", 1, "-J", check=False,
                                  timeout_s=seconds + 30)
        result = json.loads(text)
        if "error" in result:
            raise LabError(f"iperf3: {result['error']}")
        return result["end"]["sum_received"]["bits_per_second"] / 1e9


def busy_s():
    """CPU time of the whole machine that was not idle, so far."""
    with open("/proc/stat") as stat:
        fields = [int(value) for value in stat.readline().split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / os.sysconf("SC_CLK_TCK")
