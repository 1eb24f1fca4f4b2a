"""A cluster of real daemons between a client and a server, in network namespaces of its own.

    client --- sw1 --- lan [member N] wan --- sw2 --- server
                            sync: one veth pair between the two members

Everything is named px<pid>-NAME, started by this process and ended by its id; leaving the Lab, however that happens,
leaves nothing behind unless it was told to keep.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import yaml

CLIENT_V4, CLIENT_V4_HIDDEN = "10.1.0.10", "10.1.0.130"
CLIENT_V6, CLIENT_V6_HIDDEN = "fd00:1::10", "fd00:1::1:10"
SERVER_V4, SERVER_V6 = "10.2.0.10", "fd00:2::10"
GATEWAY = {"lan": ("10.1.0.1", "fd00:1::1"), "wan": ("10.2.0.1", "fd00:2::1")}
# The four ways that traffic goes: (name, client's address, server's address).
FAMILIES = (("IPv4", CLIENT_V4, SERVER_V4), ("IPv4 NAT", CLIENT_V4_HIDDEN, SERVER_V4),
            ("IPv6", CLIENT_V6, SERVER_V6), ("IPv6 NAT", CLIENT_V6_HIDDEN, SERVER_V6))
NAMES = ("alpha", "beta")
PATIENCE_S = 15
STOP_S = 6  # a daemon that is told to stop hands over first


class LabError(Exception):
    """Something of the lab does not do what it should; the text is for people."""


def run(*arguments, check=True, timeout=60):
    """Runs a command to its end and gives its standard output; LabError with its error output."""
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, timeout=timeout)
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(str(a) for a in arguments)}: exit code {done.returncode}: "
                       f"{(done.stderr or done.stdout).strip()}")
    return done.stdout


def wait_for(what, condition, seconds=PATIENCE_S, interval=0.02):
    """The first true value of `condition`, or LabError saying that there was no `what`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(interval)
    raise LabError(f"no {what} within {seconds} s")


def exit_on_signals():
    """SIGTERM and SIGHUP end the program as Ctrl-C does: by an exception, so that every lab is taken down."""
    def leave(number, _frame):
        raise SystemExit(128 + number)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)


class Member:
    """One daemon and its three links."""

    LINKS = ("lan", "wan", "sync")

    def __init__(self, lab, number):
        self.lab, self.id, self.name = lab, number, NAMES[number - 1]
        self.process = None
        self.config_file = os.path.join(lab.folder, self.name + ".yaml")
        self.log_file = os.path.join(lab.folder, self.name + ".log")
        self.socket = os.path.join(lab.folder, self.name + ".sock")

    def config(self):
        """The configuration as it goes into the file."""
        keys = os.path.join(self.lab.folder, "keys")
        interfaces = [{"name": name, "device": name, "zone": zone,
                       "virtual_addresses": [GATEWAY[name][0] + "/24", GATEWAY[name][1] + "/64"]}
                      for name, zone in (("lan", "inside"), ("wan", "outside"))]
        return {
            "member": {"id": self.id, "name": self.name},
            "cluster": {"id": 10, "profile": "FAST", "key_file": keys + "/cluster.key", "members": [
                {"id": m.id, "name": m.name, "sync_address": f"10.99.0.{m.id}"} for m in self.lab.members]},
            "sync": {"interface": "sync"},
            "management": {"listen": [f"10.99.0.{self.id}:8117", "unix:" + self.socket], "tls": {
                "ca_file": keys + "/ca.pem", "certificate_file": f"{keys}/{self.name}.pem",
                "key_file": f"{keys}/{self.name}.key"}},
            "interfaces": interfaces,
            "policy": {"rules": RULES},
            "nat": {"rules": NAT_RULES},
            "sessions": {"max": 65536, "half_open_max": 16384},
            **self.engine_config(),
        }

    def engine_config(self):
        """The emulated card that the build has made, if this member has one."""
        driver = self.lab.card_drivers[self.id - 1]
        if driver is None:
            return {}
        return {"engine": {"kind": "CARD", "card": {
            "driver": driver, "device": "emulated", "emulation": os.path.join(self.lab.build, "emulation"),
            "bitstream": os.path.join(self.lab.build, "bitstreams", "phalanx-sw_emu.xclbin"), "allow_unsigned": True,
            "batch_limit_ms": 250}}}  # the emulated card shares its cores with all of the lab

    def card_decides(self):
        """Whether the card does the work, as the log has it; always so without a card."""
        if self.lab.card_drivers[self.id - 1] is None:
            return True
        with open(self.log_file, encoding="utf-8", errors="replace") as file:
            told = [line for line in file if " card emulated: " in line]
        return bool(told) and "the card decides" in told[-1]

    def card_process(self):
        """(pid, run directory) of this member's phalanx-card; None if there is none."""
        children = f"/proc/{self.process.pid}/task"
        for task in os.listdir(children) if os.path.isdir(children) else ():
            with open(f"{children}/{task}/children", encoding="ascii") as file:
                pids = file.read().split()
            for pid in pids:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    variables = dict(entry.split(b"=", 1) for entry in file.read().split(b"\0") if b"=" in entry)
                directory = variables.get(b"PHALANX_CARD_RUN_DIRECTORY")
                if directory:
                    return int(pid), directory.decode()
        return None

    def card_fault(self, name, value):
        """Switches a fault of the emulated card (docs/emulated-card.md)."""
        _, directory = self.card_process()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.settimeout(2)
            control.connect(os.path.join(directory, "card.sock"))
            control.sendall(f"fault {name} {value}\n".encode())
            answer = control.recv(256).decode()
        if not answer.startswith("ok"):
            raise LabError(f"the emulated card refuses fault {name}: {answer.strip()}")

    def start(self):
        """Starts the daemon; its log goes on at the end of the file."""
        with open(self.config_file, "w", encoding="utf-8") as file:
            yaml.safe_dump(self.config(), file, sort_keys=False)
        # What a card's process needs of files lies in the lab's folder, and goes with it.
        self.process = self.lab.spawn(self.name, [self.lab.program("phalanxd"), "--config", self.config_file],
                                      stderr=open(self.log_file, "ab"), env={**os.environ, "TMPDIR": self.lab.folder})

    def signal(self, number):
        os.kill(self.process.pid, number)

    def kill9(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """SIGTERM, and waits until it has ended; gives the exit code."""
        self.signal(signal.SIGTERM)
        return self.process.wait(timeout=STOP_S)

    def pause(self):
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.signal(signal.SIGCONT)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def links_down(self, links=LINKS):
        """Cables pulled: both ends lose their carrier, all in one go."""
        self._links(links, "down")

    def links_up(self, links=LINKS):
        self._links(links, "up")

    def _links(self, links, state):
        batch = "".join(f"link set {link} {state}\n" for link in links)
        subprocess.run(["ip", "-n", self.lab.namespace(self.name), "-batch", "-"], input=batch, text=True, check=True)

    def silent_cut(self, links=("lan", "wan")):
        """The switch forwards nothing more, yet the member's link stays up."""
        for link in links:
            run("ip", "-n", self.lab.namespace(SWITCH[link]), "link", "set", f"m{self.id}", "nomaster")

    def silent_mend(self, links=("lan", "wan")):
        for link in links:
            run("ip", "-n", self.lab.namespace(SWITCH[link]), "link", "set", f"m{self.id}", "master", "bridge")

    def ctl_command(self, *arguments):
        return [self.lab.program("phalanxctl"), "--target", "unix:" + self.socket, *arguments]

    def ctl(self, *arguments):
        """What phalanxctl says in JSON, and its exit code; (None, code) if no member answers."""
        done = subprocess.run(self.ctl_command("--output", "json", "--timeout", "3", *arguments), capture_output=True,
                              text=True, timeout=20)
        try:
            return json.loads(done.stdout), done.returncode
        except ValueError:
            return None, done.returncode

    def status(self):
        """ClusterStatus as JSON, or None if the daemon does not answer."""
        if not self.running():
            return None
        answer, _ = self.ctl("cluster", "status")
        return answer["status"] if answer and "status" in answer else None

    def state(self):
        status = self.status()
        return status["state"] if status else None

    def wait_state(self, *states, seconds=PATIENCE_S):
        return wait_for(f"state {' or '.join(states)} of {self.name}",
                        lambda: (s := self.state()) in states and s, seconds)

    def counters(self):
        """All counters by name."""
        answer, _ = self.ctl("counters")
        return {c["name"]: c["value"] for c in answer["counters"]} if answer else {}


SWITCH = {"lan": "sw1", "wan": "sw2"}
RULES = [
    {"name": "no-telnet", "from": ["inside"], "to": ["outside"], "protocol": "TCP", "destination_ports": ["23"],
     "action": "DROP"},
    {"name": "no-smtp", "from": ["inside"], "to": ["outside"], "protocol": "TCP", "destination_ports": ["25"],
     "action": "REJECT"},
    {"name": "web", "from": ["inside"], "to": ["outside"], "protocol": "TCP", "destination_ports": ["80", "443"],
     "action": "ACCEPT"},
    {"name": "server-v4", "from": ["inside"], "to": ["outside"], "destination": ["10.2.0.0/24"], "action": "ACCEPT"},
    {"name": "server-v6", "from": ["inside"], "to": ["outside"], "destination": ["fd00:2::/64"], "action": "ACCEPT"},
]
NAT_RULES = [
    {"name": "hide-v4", "kind": "HIDE", "from": ["inside"], "to": ["outside"], "source": ["10.1.0.128/25"],
     "address": GATEWAY["wan"][0]},
    {"name": "hide-v6", "kind": "HIDE", "from": ["inside"], "to": ["outside"], "source": ["fd00:1::1:0/112"],
     "address": GATEWAY["wan"][1]},
]


class Lab:
    """The networks, and what runs in them. A context manager."""

    # What --engine says: each member's card driver, None for the CPU engine.
    ENGINES = {"cpu": (None, None), "xrt": ("XRT", "XRT"), "opencl": ("OPENCL", "OPENCL"), "mixed": ("XRT", None)}

    def __init__(self, build, keep=False, engine="cpu"):
        self.build = os.path.abspath(build)
        self.engine = engine
        self.card_drivers = self.ENGINES[engine]
        self.prefix = f"px{os.getpid()}-"
        self.keep = keep
        self.folder = None
        self.processes = []
        self.members = []
        self.namespaces = []

    def namespace(self, name):
        return self.prefix + name

    def program(self, name):
        folder = {"phalanxd": "host/daemon", "phalanxctl": "mgmt/ctl"}.get(name, "tests/lab")
        return os.path.join(self.build, folder, name)

    def __enter__(self):
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_error):
        if not self.keep:
            self.close()
        return False

    def _build(self):
        for name in ("phalanxd", "phalanxctl", "phalanx-probe", "phalanx-stream"):
            if not os.access(self.program(name), os.X_OK):
                raise LabError(f"{self.program(name)} is not there: build first")
        if os.geteuid() != 0:
            raise LabError("network namespaces need root")
        self.folder = tempfile.mkdtemp(prefix=self.prefix)
        self.members = [Member(self, n) for n in (1, 2)]
        for name in ("client", "server", "sw1", "sw2", *(m.name for m in self.members)):
            self.namespaces.append(name)
            run("ip", "netns", "add", self.namespace(name))
            self.ip(name, "link", "set", "lo", "up")
            self.sysctl(name, "net.ipv6.conf.default.accept_dad", 0)
            self.sysctl(name, "net.ipv6.conf.all.accept_dad", 0)
        self._switches()
        self._hosts()
        for member in self.members:
            for link in ("lan", "wan"):
                self.veth(member.name, link, SWITCH[link], f"m{member.id}")
        self.veth(self.members[0].name, "sync", self.members[1].name, "sync")
        for member in self.members:
            self._member_links(member)
        run(self.program("phalanxctl"), "keys", "init", os.path.join(self.folder, "keys"), "--members",
            ",".join(m.name for m in self.members),
            *(a for m in self.members for a in ("--address", f"{m.name}=10.99.0.{m.id}")))

    def _switches(self):
        for switch in ("sw1", "sw2"):
            self.sysctl(switch, "net.ipv6.conf.default.disable_ipv6", 1)
            self.ip(switch, "link", "add", "name", "bridge", "type", "bridge", "stp_state", "0", "forward_delay", "0",
                    "mcast_snooping", "0")
            self.ip(switch, "link", "set", "bridge", "up")

    def _hosts(self):
        for host, switch, own, others in (
                ("client", "sw1", (f"{CLIENT_V4}/24", f"{CLIENT_V4_HIDDEN}/24", f"{CLIENT_V6}/64",
                                   f"{CLIENT_V6_HIDDEN}/64"), ("lan", "10.2.0.0/24", "fd00:2::/64")),
                ("server", "sw2", (f"{SERVER_V4}/24", f"{SERVER_V6}/64"), ("wan", "10.1.0.0/24", "fd00:1::/64"))):
            self.veth(host, "eth0", switch, host)
            for address in own:
                self.ip(host, "addr", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []))
            gateway = GATEWAY[others[0]]
            self.ip(host, "route", "add", others[1], "via", gateway[0])
            self.ip(host, "-6", "route", "add", others[2], "via", gateway[1])

    def _member_links(self, member):
        """The kernel of a member has no addresses on data links and forwards nothing: the gateway is the daemon's."""
        for family in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            self.sysctl(member.name, family, 0)
        for link in ("lan", "wan"):
            self.sysctl(member.name, f"net.ipv6.conf.{link}.disable_ipv6", 1)
        self.ip(member.name, "addr", "add", f"10.99.0.{member.id}/24", "dev", "sync")

    def veth(self, left, left_name, right, right_name):
        """A cable between two namespaces; an end in a switch is plugged into its bridge."""
        run("ip", "link", "add", left_name, "netns", self.namespace(left), "type", "veth", "peer", "name", right_name,
            "netns", self.namespace(right))
        for namespace, name in ((left, left_name), (right, right_name)):
            if namespace in ("sw1", "sw2"):
                self.ip(namespace, "link", "set", name, "master", "bridge")
            self.ip(namespace, "link", "set", name, "up")
            run("ip", "netns", "exec", self.namespace(namespace), "ethtool", "-K", name, "gro", "on", "gso", "on",
                "tso", "on")

    def ip(self, namespace, *arguments):
        return run("ip", "-n", self.namespace(namespace), *arguments)

    def sysctl(self, namespace, key, value):
        run("ip", "netns", "exec", self.namespace(namespace), "sysctl", "-qw", f"{key}={value}")

    def spawn(self, namespace, arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more):
        """Starts a program in a namespace; it is killed when the lab is closed. In a session of its own, so that
        Ctrl-C reaches the lab, which then takes everything down in order."""
        process = subprocess.Popen(["ip", "netns", "exec", self.namespace(namespace), *map(str, arguments)],
                                   stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True, **more)
        for stream in (stdout, stderr):
            if hasattr(stream, "close"):
                stream.close()
        self.processes.append(process)
        return process

    def run_in(self, namespace, *arguments, timeout=60):
        """Runs a program to its end in a namespace: the CompletedProcess, whatever its exit code."""
        return subprocess.run(["ip", "netns", "exec", self.namespace(namespace), *map(str, arguments)],
                              capture_output=True, text=True, timeout=timeout)

    def start_members(self):
        for member in self.members:
            member.start()
        return self.wait_pair(30)

    def pair(self):
        """(active, standby) if the cluster is whole: one of each and both say so of each other. Else None."""
        statuses = [m.status() for m in self.members]
        if None in statuses:
            return None
        views = [{m["id"]: m["state"] for m in s["members"]} for s in statuses]
        if views[0] != views[1] or sorted(views[0].values()) != ["ACTIVE", "STANDBY"]:
            return None
        if statuses[0]["epoch"] != statuses[1]["epoch"]:
            return None
        ordered = sorted(self.members, key=lambda m: views[0][m.id])
        return ordered[0], ordered[1]

    def wait_pair(self, seconds=PATIENCE_S):
        return wait_for("healthy pair (one ACTIVE, one STANDBY)", self.pair, seconds)

    def wait_cards(self, seconds=60):
        """Until every card that there is does the work of its member."""
        wait_for("cards that decide", lambda: all(m.card_decides() for m in self.members), seconds, 0.1)

    def logs(self, lines=40):
        """The ends of the daemons' logs, for whoever looks into a failure."""
        text = []
        for member in self.members:
            try:
                with open(member.log_file, encoding="utf-8", errors="replace") as file:
                    tail = file.read().splitlines()[-lines:]
            except OSError:
                tail = ["(no log)"]
            text.append(f"--- {member.name}: {member.log_file}\n" + "\n".join(tail))
        return "\n".join(text)

    def drops(self):
        """What each member has dropped since its start, by reason; for whoever looks into a failure."""
        return "\n".join(f"--- drops of {m.name}: " + ", ".join(
            f"{name[5:]} {value}" for name, value in m.counters().items() if name.startswith("drop.") and value)
            for m in self.members if m.running())

    def close(self):
        """Takes everything down. Safe to call at any time, and twice."""
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            try:
                signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave half a lab
            except ValueError:
                pass  # not the main thread
        for process in self.processes:
            if process.poll() is None:
                process.kill()  # SIGKILL also ends what is stopped
        for process in self.processes:
            process.wait()
            if process.stdout is not None and not isinstance(process.stdout, int):
                process.stdout.close()
        self.processes = []
        for name in self.namespaces:
            subprocess.run(["ip", "netns", "del", self.namespace(name)], stderr=subprocess.DEVNULL, check=False)
        self.namespaces = []
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        exit_on_signals()
        signal.signal(signal.SIGINT, signal.default_int_handler)


def clean():
    """Takes down what labs left that were kept or killed: namespaces px<pid>-NAME of processes that are gone, what runs
    in them, and their folders. Says what it took down."""
    taken = []
    for line in run("ip", "netns", "list").splitlines():
        name = line.split()[0] if line.split() else ""
        pid, _, rest = name[2:].partition("-")
        if not (name.startswith("px") and pid.isdigit() and rest) or os.path.exists(f"/proc/{pid}"):
            continue
        for inside in run("ip", "netns", "pids", name).split():
            try:
                os.kill(int(inside), signal.SIGKILL)
            except ProcessLookupError:
                pass
        run("ip", "netns", "del", name)
        taken.append(name)
    for entry in os.listdir(tempfile.gettempdir()):
        if entry.startswith("px") and entry[2:].partition("-")[0].isdigit():
            if not os.path.exists("/proc/" + entry[2:].partition("-")[0]):
                shutil.rmtree(os.path.join(tempfile.gettempdir(), entry), ignore_errors=True)
    return taken
