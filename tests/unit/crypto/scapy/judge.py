#!/usr/bin/env python3
"""Scapy judges the ESP engines: they open what its IPsec layer sealed and it opens what they sealed, in transport and in tunnel
mode, with and without extended sequence numbers, with both key lengths.

usage: judge.py JUDGE_PROGRAM [SEED [PACKETS]]"""
import logging
import random
import subprocess
import sys

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
from scapy.all import IP, IPv6, Raw, UDP  # noqa: E402
from scapy.layers.ipsec import ESP, SecurityAssociation  # noqa: E402

SEAL, OPEN = 1, 2
DONE, BAD_ICV = 0, 3
ESP_PROTOCOL, UDP_PROTOCOL, IPV4_PROTOCOL = 50, 17, 4


class Judge:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, engine, direction, case, before, data):
        words = [engine, direction, case.spi, case.key.hex(), case.salt.hex(), int(case.esn), before, data.hex()]
        self.process.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.process.stdin.flush()
        status, sequence, output = self.process.stdout.readline().split()
        return int(status), int(sequence), b"" if output == "-" else bytes.fromhex(output)

    def close(self):
        self.process.stdin.close()
        if self.process.wait(timeout=10) != 0:
            raise AssertionError("judge program failed")


def check(condition, *told):
    if not condition:
        raise AssertionError(" | ".join(str(t) for t in told))


class Case:
    """An SA and a packet for it."""

    def __init__(self, rng):
        self.spi = rng.randint(256, 2**32 - 1)
        self.key = rng.randbytes(rng.choice([16, 32]))
        self.salt = rng.randbytes(4)
        self.esn = rng.random() < 0.5
        self.tunnel = rng.random() < 0.5
        self.v6 = rng.random() < 0.5
        high = rng.choice([0, 1, 77, 2**31]) if self.esn else 0
        self.sequence = high << 32 | rng.choice([1, 2, 1000, 2**31, 2**32 - 2, rng.randint(1, 2**32 - 2)])
        outer = IP(src="192.0.2.1", dst="192.0.2.2")
        self.sa = SecurityAssociation(ESP, spi=self.spi, crypt_algo="AES-GCM", crypt_key=self.key + self.salt,
                                      tunnel_header=outer if self.tunnel else None, esn_en=self.esn, esn=high)
        # In tunnel mode scapy says IPv4 or IPv6 of what is inside; transport mode is the same for both.
        header = IPv6(src="2001:db8::1", dst="2001:db8::2") if self.v6 and not self.tunnel else IP(src="10.0.0.1",
                                                                                                 dst="10.0.0.2")
        self.packet = header / UDP(sport=1234, dport=4321) / Raw(rng.randbytes(rng.choice([0, 1, 7, 64, 1400, 8900])))
        self.packet = self.packet.__class__(bytes(self.packet))

    def inside(self):
        """What ESP protects, and its next header."""
        if self.tunnel:
            return bytes(self.packet), IPV4_PROTOCOL
        return bytes(self.packet.payload), UDP_PROTOCOL


def with_trailer(data, next_header):
    padding = -(len(data) + 2) % 4
    return data + bytes(range(1, padding + 1)) + bytes([padding, next_header])


def judge_open(judge, engine, case, rng):
    sealed = case.sa.encrypt(case.packet, seq_num=case.sequence & 0xffffffff, iv=rng.randbytes(8))
    packet = bytes(sealed[ESP])
    status, sequence, output = judge.ask(engine, OPEN, case, case.sequence - 1, packet)
    check((status, sequence) == (DONE, case.sequence), "open", engine, status, sequence, case.sequence)
    data, next_header = case.inside()
    check(output[-1] == next_header, "next header", output[-1], next_header)
    check(output[:len(output) - 2 - output[-2]] == data, "plaintext", engine, output.hex(), data.hex())
    at = rng.randrange(8, len(packet))
    damaged = packet[:at] + bytes([packet[at] ^ 1 << rng.randrange(8)]) + packet[at + 1:]
    status, _, output = judge.ask(engine, OPEN, case, case.sequence - 1, damaged)
    check((status, output) == (BAD_ICV, b""), "damaged", engine, at, status)


def judge_seal(judge, engine, case):
    data, next_header = case.inside()
    status, sequence, output = judge.ask(engine, SEAL, case, case.sequence - 1, with_trailer(data, next_header))
    check((status, sequence) == (DONE, case.sequence), "seal", engine, status, sequence)
    if case.tunnel or not case.v6:
        sealed = IP(src="192.0.2.1", dst="192.0.2.2", proto=ESP_PROTOCOL) / ESP(output)
        if not case.tunnel:
            sealed[IP].src, sealed[IP].dst = case.packet.src, case.packet.dst
    else:
        sealed = IPv6(src=case.packet.src, dst=case.packet.dst, nh=ESP_PROTOCOL) / ESP(output)
    opened = case.sa.decrypt(sealed)  # raises when the ICV is wrong
    got = bytes(opened) if case.tunnel else bytes(opened.payload)
    check(got == data, "sealed", engine, got.hex(), data.hex())


def main():
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    packets = int(sys.argv[3]) if len(sys.argv) > 3 else 300
    judge = Judge(sys.argv[1])
    try:
        for _ in range(packets):
            case = Case(rng)
            for engine in ("cpu", "kernel"):
                judge_open(judge, engine, case, rng)
                judge_seal(judge, engine, case)
    finally:
        judge.close()
    print(f"{packets} packets, both ways, by both engines")


if __name__ == "__main__":
    main()
