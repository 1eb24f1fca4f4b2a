"""Network namespaces and programs of one benchmark, all gone when it ends, however it ends."""
import os
import shutil
import signal
import subprocess
import tempfile
import time


class LabError(RuntimeError):
    """The laboratory could not be set up, or a program in it did not do its part."""


def run(*command, check=True, stdin=None, timeout_s=60):
    """A command's standard output; LabError with its own words if it fails."""
    try:
        done = subprocess.run([str(c) for c in command], input=stdin, capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(map(str, command))}: not done after {timeout_s} s") from error
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def wait_until(condition, what, timeout_s=15.0, interval_s=0.05):
    """The first true value of `condition()`."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise LabError(f"{what}: not so after {timeout_s:g} s")
        time.sleep(interval_s)


class Program:
    """A program in a namespace, in a process group of its own; its output goes to a file."""

    def __init__(self, namespace, name, command, folder):
        self.name = name
        self.log = os.path.join(folder, f"{namespace}-{name}-{time.monotonic_ns()}.log")
        self.errors = self.log + ".err"
        with open(self.log, "w") as out, open(self.errors, "w") as err:
            self.process = subprocess.Popen(["ip", "netns", "exec", namespace] + [str(c) for c in command], stdout=out,
                                            stderr=err, stdin=subprocess.DEVNULL, start_new_session=True)

    @property
    def pid(self):
        return self.process.pid  # "ip netns exec" becomes the program

    def text(self):
        with open(self.log, errors="replace") as out, open(self.errors, errors="replace") as err:
            return out.read() + err.read()

    def running(self):
        return self.process.poll() is None

    def send_signal(self, number):
        """To the whole group: keepalived, for one, is two processes."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def stop(self, number=signal.SIGTERM, timeout_s=6):
        if self.running():
            self.send_signal(number)
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                pass
        self.send_signal(signal.SIGKILL)  # also what it may have left behind
        self.process.wait(5)

    def cpu_s(self):
        """CPU time of the program's first process so far."""
        with open(f"/proc/{self.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Namespaces:
    """A set of namespaces under one prefix. A context manager; `prefix` has at most 8 characters."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.names = []
        self.programs = []
        self.folder = tempfile.mkdtemp(prefix=f"phalanx-bench-{prefix}-")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def full(self, name):
        return f"{self.prefix}-{name}"

    def add(self, *names):
        for name in names:
            run("ip", "netns", "add", self.full(name))
            self.names.append(name)
            self.sysctl(name, "net.ipv6.conf.all.disable_ipv6", 1)
            self.sysctl(name, "net.ipv6.conf.default.disable_ipv6", 1)
            self.sysctl(name, "net.ipv4.conf.all.rp_filter", 0)
            self.sysctl(name, "net.ipv4.conf.default.rp_filter", 0)
            self.ip(name, "link", "set", "lo", "up")

    def ip(self, name, *arguments):
        return run("ip", "-n", self.full(name), *arguments)

    def exec(self, name, *command, **options):
        return run("ip", "netns", "exec", self.full(name), *command, **options)

    def sysctl(self, name, key, value):
        self.exec(name, "sysctl", "-qw", f"{key}={value}")

    def start(self, name, what, *command):
        program = Program(self.full(name), what, command, self.folder)
        self.programs.append(program)
        return program

    def veth(self, a, a_device, b, b_device):
        """A cable between two namespaces, both ends up."""
        run("ip", "link", "add", a_device, "netns", self.full(a), "type", "veth", "peer", "name", b_device, "netns",
            self.full(b))
        self.ip(a, "link", "set", a_device, "up")
        self.ip(b, "link", "set", b_device, "up")

    def mac(self, name, device):
        return self.exec(name, "cat", f"/sys/class/net/{device}/address").strip()

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as out:
            out.write(text)
        return path

    def close(self):
        for program in reversed(self.programs):
            try:
                program.stop(timeout_s=4)
            except (OSError, subprocess.SubprocessError):
                pass
        self.programs = []
        for name in self.names:
            run("ip", "netns", "del", self.full(name), check=False)
        self.names = []
        if not os.environ.get("PHALANX_BENCH_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)
