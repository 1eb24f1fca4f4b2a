#!/usr/bin/env python3
"""Holds the walls of docs/architecture.md: which folder may include which, what pure modules and phalanxctl must not touch."""
import pathlib
import re
import subprocess
import sys

# Folder -> folders of the tree that its files may include. The longest matching folder counts.
ALLOWED = {
    "hls": ["hls"],
    "kernels": ["kernels", "hls"],
    "drivers": ["drivers", "kernels", "hls"],
    "host/packet": ["host/packet", "kernels", "hls"],
    "host/session": ["host/session", "host/packet", "kernels", "hls"],
    "host/policy": ["host/policy", "host/packet", "hls"],
    "host/routing": ["host/routing", "host/packet"],
    "host/cluster": ["host/cluster", "host/packet"],
    "host/sync": ["host/sync", "host/packet", "kernels", "hls"],
    "host/gateway": ["host/gateway", "host/sync", "host/cluster", "host/routing", "host/policy", "host/session",
                     "host/packet", "drivers", "kernels", "hls"],
    "host/ports": ["host/ports", "host/packet"],
    "host/daemon": ["host", "drivers", "kernels", "hls", "mgmt", "phalanx"],
    "mgmt": ["mgmt", "phalanx"],
    "mgmt/ctl": ["mgmt/ctl", "mgmt/config/keys", "phalanx"],
}
PURE = ["hls", "kernels", "host/packet", "host/session", "host/policy", "host/cluster", "host/sync", "host/gateway"]
IMPURE_HEADERS = re.compile(
    r"^(sys/(socket|epoll|ioctl|select|timerfd|eventfd)\.h|net(inet|link|packet)?/.*|linux/.*|arpa/inet\.h|poll\.h|unistd\.h|"
    r"thread|mutex|condition_variable|future|chrono|ctime|time\.h|pthread\.h|random)$")
ALLOWED_IMPURE = {"netinet/in.h", "arpa/inet.h"}  # types, byte order and address texts: pure
TREE = ("hls/", "kernels/", "drivers/", "host/", "mgmt/", "tests/", "bitstreams/", "phalanx/")
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def folder_of(path: str) -> str | None:
    parents = [str(p) for p in pathlib.PurePosixPath(path).parents]
    return next((p for p in parents if p in ALLOWED), None)


def inside(include: str, folder: str) -> bool:
    return include == folder or include.startswith(folder + "/") or include.startswith(folder + ".")


def problems(path: str) -> list[str]:
    folder = folder_of(path)
    if folder is None:
        return []
    found = []
    pure = any(path.startswith(p + "/") for p in PURE)
    for number, line in enumerate(pathlib.Path(path).read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        name = match.group(2)
        if match.group(1) == '"' and "/" not in name:
            found.append(f"{path}:{number}: write the include from the top of the tree: {name}")
        if name.startswith(TREE) and not any(inside(name, a) for a in ALLOWED[folder]):
            found.append(f"{path}:{number}: {folder}/ may not include {name}")
        if pure and IMPURE_HEADERS.match(name) and name not in ALLOWED_IMPURE:
            found.append(f"{path}:{number}: a pure module may not include <{name}>")
    return found


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "*.cpp", "*.hpp"], capture_output=True, text=True, check=True)
    found = [p for path in listed.stdout.splitlines() if pathlib.Path(path).exists() for p in problems(path)]
    print("\n".join(found) or "walls hold")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
