"""When packets pass a device, by the kernel's own timestamps: all namespaces of a machine share one clock."""
import os
import signal
import struct
import time

from .namespaces import LabError, wait_until

SNAP_BYTES = 1600


class Capture:
    """dumpcap on one device; packets() after stop(). Its buffer is small: the kernel zeroes it in one go, and 64 MB held a
    CPU for 30 ms, the control thread of a member included."""

    def __init__(self, topology, name, device, capture_filter, incoming=True):
        self.path = os.path.join(topology.folder, f"{name}-{device}-{time.monotonic_ns()}.pcap")
        direction = f"inbound and ({capture_filter})" if incoming else capture_filter
        self.program = topology.start(name, "dumpcap", "dumpcap", "-q", "-P", "-i", device, "-f", direction, "-s", SNAP_BYTES,
                                      "-B", "8", "-w", self.path)
        wait_until(lambda: "File:" in self.program.text() or not self.program.running(), "dumpcap captures", 8)
        if not self.program.running():
            raise LabError(self.program.text())
        time.sleep(0.3)

    def stop(self):
        self.program.stop(signal.SIGINT)

    def packets(self):
        """(time in ns, frame) of each packet, in order."""
        with open(self.path, "rb") as file:
            data = file.read()
        if len(data) < 24:
            return []
        magic = struct.unpack_from("<I", data)[0]
        scale = {0xA1B23C4D: 1, 0xA1B2C3D4: 1000}.get(magic)
        if scale is None:
            raise LabError(f"{self.path} is no pcap file")
        found, at = [], 24
        while at + 16 <= len(data):
            seconds, fraction, length, _ = struct.unpack_from("<IIII", data, at)
            at += 16
            if at + length > len(data):
                break
            found.append((seconds * 1_000_000_000 + fraction * scale, data[at:at + length]))
            at += length
        return found


def udp_payload(frame):
    """Of an Ethernet/IPv4/UDP frame."""
    return frame[14 + (frame[14] & 15) * 4 + 8:]


def flow_of(frame):
    """(source address and ports) as bytes: what tells two flows to one server apart."""
    ip = 14
    ports = ip + (frame[ip] & 15) * 4
    return frame[ip + 12:ip + 16] + frame[ports:ports + 4]
