#!/usr/bin/env python3
"""Scapy judges the packet module: it builds a random packet twice, as it goes in and as it must come out of NAT, and what
the module makes of the first must be the second, byte for byte. Then the packets that the module builds itself.

usage: judge.py JUDGE_PROGRAM [SEED [PACKETS]]"""
import logging
import random
import subprocess
import sys

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
from scapy.all import (  # noqa: E402
    ARP, Dot1Q, Ether, ICMP, ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IP, IPOption, IPv6,
    IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, Raw, TCP, UDP, defragment, fragment6)
from scapy.all import fragment as fragment4  # noqa: E402

MACS = dict(src="02:00:00:00:00:0a", dst="02:00:00:00:00:0b")
OTHER, TCP_KIND, UDP_KIND, REQUEST, REPLY, ERROR = range(6)


class Judge:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.process.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.stdin.close()
        if self.process.wait(timeout=10) != 0:
            raise AssertionError("judge program failed")


def check(condition, *told):
    if not condition:
        raise AssertionError(" | ".join(str(t) for t in told))


class Flow:
    """The addresses and ports of a packet: what NAT changes."""

    def __init__(self, v6, rng):
        self.v6 = v6
        self.src, self.dst = self.address(rng), self.address(rng)
        self.sport, self.dport = rng.randint(1, 65535), rng.randint(1, 65535)

    def address(self, rng):
        if self.v6:
            return "2001:db8:%x:%x::%x" % (rng.getrandbits(16), rng.getrandbits(16), rng.randint(1, 65535))
        return "%d.%d.%d.%d" % (rng.randint(1, 100), rng.getrandbits(8), rng.getrandbits(8), rng.getrandbits(8))

    def translated(self, nat):
        new = Flow.__new__(Flow)
        new.v6 = self.v6
        new.src, new.sport = nat[0] if nat[0] else (self.src, self.sport)
        new.dst, new.dport = nat[1] if nat[1] else (self.dst, self.dport)
        return new


class Shape:
    """Everything else of a packet, chosen once."""

    def __init__(self, rng, v6, kinds=("tcp", "udp", "request", "reply", "other")):
        self.v6 = v6
        self.kind = rng.choice(kinds)
        self.ttl = rng.randint(2, 255)
        self.tos = rng.randint(0, 255)
        self.id = rng.getrandbits(16)
        self.df = rng.random() < 0.5
        self.options = rng.random() < 0.2
        self.extensions = [e for e in ("hop", "destination") if rng.random() < 0.2]
        self.vlans = [rng.randint(1, 4094) for _ in range(rng.choice((0, 0, 1, 2)))]
        self.seq, self.ack = rng.getrandbits(32), rng.getrandbits(32)
        self.flags = rng.choice((2, 18, 16, 24, 17))
        self.window = rng.getrandbits(16)
        self.scale = rng.choice((None, 0, 7, 14, 200))
        self.payload = bytes(rng.getrandbits(8) for _ in range(rng.choice((0, 1, 2, 7, 64, 501))))
        self.padding = rng.choice((0, 0, 6))
        self.zero_checksum = not v6 and rng.random() < 0.2

    def transport(self, flow):
        if self.kind == "tcp":
            options = [] if self.scale is None else [("MSS", 1460), ("NOP", None), ("WScale", self.scale)]
            return TCP(sport=flow.sport, dport=flow.dport, seq=self.seq, ack=self.ack, flags=self.flags,
                       window=self.window, options=options) / Raw(self.payload)
        if self.kind == "udp":
            udp = UDP(sport=flow.sport, dport=flow.dport)
            if self.zero_checksum:
                udp.chksum = 0
            return udp / Raw(self.payload)
        if self.kind == "other":
            return Raw(self.payload + b"12345678")
        identifier = flow.sport if self.kind == "request" else flow.dport
        if self.v6:
            echo = ICMPv6EchoRequest if self.kind == "request" else ICMPv6EchoReply
            return echo(id=identifier, seq=3, data=self.payload)
        return ICMP(type=8 if self.kind == "request" else 0, id=identifier, seq=3) / Raw(self.payload)

    def ip(self, flow, ttl):
        if self.v6:
            packet = IPv6(src=flow.src, dst=flow.dst, hlim=ttl, tc=self.tos, fl=self.id)
            for name in self.extensions:
                packet /= IPv6ExtHdrHopByHop() if name == "hop" else IPv6ExtHdrDestOpt()
            if self.kind == "other":
                last = packet.lastlayer()
                last.nh = 253
            return packet
        packet = IP(src=flow.src, dst=flow.dst, ttl=ttl, tos=self.tos, id=self.id, flags="DF" if self.df else 0)
        if self.options:
            packet.options = [IPOption(b"\x94\x04\x00\x00"), IPOption(b"\x44\x08\x05\x00\x00\x00\x00\x00")]
        if self.kind == "other":
            packet.proto = 253
        return packet

    def whole(self, flow, ttl):
        return self.ip(flow, ttl) / self.transport(flow)

    def frame(self, ip_packet):
        ether = Ether(**MACS)
        for vlan in self.vlans:
            ether /= Dot1Q(vlan=vlan)
        if not self.vlans:
            ether.type = 0x86DD if self.v6 else 0x0800
        else:
            ether.lastlayer().type = 0x86DD if self.v6 else 0x0800
        return bytes(ether / Raw(bytes(ip_packet))) + bytes(self.padding)


def random_nat(rng, flow):
    def endpoint():
        return (flow.address(rng), rng.randint(1, 65535))
    return (endpoint() if rng.random() < 0.7 else None, endpoint() if rng.random() < 0.5 else None)


def words(nat):
    def word(side):
        return "%s %d" % side if side else "- 0"
    return word(nat[0]) + " " + word(nat[1])


def rewritten(judge, frame, nat, told):
    answer = judge.ask("rewrite", frame.hex(), words(nat)).split()
    check(len(answer) == 2, "refused", answer, told, frame.hex())
    return answer[0].split(","), bytes.fromhex(answer[1])


def check_fields(fields, shape, flow, packet):
    ports = {"tcp": (flow.sport, flow.dport), "udp": (flow.sport, flow.dport), "request": (flow.sport, 0),
             "reply": (0, flow.dport), "other": (0, 0)}[shape.kind]
    kind = {"tcp": TCP_KIND, "udp": UDP_KIND, "request": REQUEST, "reply": REPLY, "other": OTHER}[shape.kind]
    payload = len(shape.payload) if shape.kind in ("tcp", "udp") else 0
    scale = 255
    if shape.kind == "tcp" and shape.flags & 2 and shape.scale is not None:
        scale = min(shape.scale, 14)
    want = [flow.src, ports[0], flow.dst, ports[1], None, kind, payload, len(bytes(packet)), scale, len(shape.vlans), 0, 0,
            shape.tos >> 2, shape.ttl]
    if shape.kind == "tcp":
        want += [shape.seq, shape.ack, shape.window, shape.flags]
    for got, wanted in zip(fields, want):
        check(wanted is None or got == str(wanted), "fields", fields, want)


def judge_rewrites(judge, rng, count):
    for n in range(count):
        v6 = rng.random() < 0.5
        shape, flow = Shape(rng, v6), Flow(v6, rng)
        nat = random_nat(rng, flow)
        before = shape.whole(flow, shape.ttl)
        after = flow.translated(nat)
        fields, got = rewritten(judge, shape.frame(before), nat, before.summary())
        check_fields(fields, shape, flow, before)
        want = shape.frame(shape.whole(after, shape.ttl - 1))
        check(got == want, "rewrite", n, before.summary(), got.hex(), want.hex())


def v6_fragments(shape, flow, ttl):
    packet = shape.ip(flow, ttl)
    last = packet.lastlayer()
    nh = {"tcp": 6, "udp": 17, "request": 58, "reply": 58, "other": 253}[shape.kind]
    if shape.kind == "other":
        del last.nh
    return fragment6(packet / IPv6ExtHdrFragment(id=shape.seq, nh=nh) / shape.transport(flow), 160)


def judge_fragments(judge, rng, count):
    """Each fragment of a datagram, rewritten alone, must be that fragment of the rewritten datagram."""
    for _ in range(count):
        v6 = rng.random() < 0.5
        shape, flow = Shape(rng, v6), Flow(v6, rng)
        shape.payload, shape.df, shape.options = bytes(rng.getrandbits(8) for _ in range(500)), False, False
        nat = random_nat(rng, flow)
        after = flow.translated(nat)
        if v6:
            if shape.kind == "other":
                continue  # scapy cannot fragment what it does not know
            shape.extensions = []
            ins, outs = v6_fragments(shape, flow, shape.ttl), v6_fragments(shape, after, shape.ttl - 1)
        else:
            ins = fragment4(IP(bytes(shape.whole(flow, shape.ttl))), 120)
            outs = fragment4(IP(bytes(shape.whole(after, shape.ttl - 1))), 120)
        check(len(ins) == len(outs) and len(ins) > 2, "scapy's fragments", len(ins))
        for before, want in zip(ins, outs):
            fields, got = rewritten(judge, shape.frame(before), nat, before.summary())
            check(fields[10] == "1", "is no fragment", before.summary())
            check(got == shape.frame(want), "fragment", before.summary(), got.hex(), shape.frame(want).hex())


def error_about(shape, v6, quote, router, to, ttl, which):
    if v6:
        icmp = (ICMPv6DestUnreach(code=which), ICMPv6TimeExceeded(), ICMPv6PacketTooBig(mtu=1400))[which]
        return IPv6(src=router, dst=to, hlim=ttl) / icmp / Raw(quote)
    icmp = (ICMP(type=3, code=1), ICMP(type=11), ICMP(type=3, code=4, nexthopmtu=1400))[which]
    return IP(src=router, dst=to, ttl=ttl, id=shape.id) / icmp / Raw(quote)


def judge_errors(judge, rng, count):
    """The rewrite is of the quoted packet; the error goes to its new source, and comes from its new destination if there is one."""
    for _ in range(count):
        v6 = rng.random() < 0.5
        shape, quoted = Shape(rng, v6), Flow(v6, rng)
        nat = random_nat(rng, quoted)
        inner = quoted.translated(nat)
        whole, whole_after = bytes(shape.whole(quoted, 9)), bytes(shape.whole(inner, 9))
        header = len(whole) - len(bytes(shape.transport(quoted)))
        if v6:
            header = 40 + 8 * len(shape.extensions)
        cut = header + rng.choice((8, 12, 20, 28, 400))
        router, which = quoted.address(rng), rng.randint(0, 2)
        before = error_about(shape, v6, whole[:cut], router, quoted.src, shape.ttl, which)
        shown = nat[1][0] if nat[1] else router
        after = error_about(shape, v6, whole_after[:cut], shown, inner.src, shape.ttl - 1, which)
        fields, got = rewritten(judge, shape.frame(before), nat, before.summary())
        check(fields[5] == str(ERROR), "kind", fields)
        check(got == shape.frame(after), "error", shape.kind, before.summary(), nat, got.hex(), shape.frame(after).hex())


def is_right(packet, layer):
    """Whether scapy computes the same checksums and lengths. What an error quotes is left as it is."""
    again = layer(bytes(packet))
    for part in again.layers():
        if "error" in part.__name__:
            break
        for field in ("chksum", "cksum", "len", "plen"):
            if field in again[part].fields:
                again[part].delfieldval(field)
    return bytes(again) == bytes(packet)


def has_right_header(packet):
    """The same of an IPv4 header alone: the checksum of a fragment's transport header is of the whole datagram."""
    again = IP(bytes(packet)[:packet.ihl * 4])
    del again.chksum
    return bytes(again) == bytes(packet)[:packet.ihl * 4]


def judge_cut(judge, rng, count):
    for _ in range(count):
        shape, flow = Shape(rng, False, ("tcp", "udp", "request")), Flow(False, rng)
        shape.df = False
        shape.payload = bytes(rng.getrandbits(8) for _ in range(rng.randint(300, 3000)))
        packet, mtu = shape.whole(flow, 64), rng.randint(68, 600)
        if len(bytes(packet)) <= mtu:
            continue
        frames = [bytes.fromhex(f) for f in judge.ask("fragment", shape.frame(packet).hex(), mtu).split()]
        skip = 14 + 4 * len(shape.vlans)
        pieces = [IP(f[skip:]) for f in frames]
        for piece in pieces:
            check(piece.len <= mtu and len(bytes(piece)) == piece.len, "length", piece.summary())
            check(has_right_header(piece), "header", piece.summary())
        rng.shuffle(pieces)
        whole = [p for p in defragment(pieces)]
        check(len(whole) == 1, "reassembly", len(whole))
        want = bytes(packet)
        got = bytes(whole[0])
        check(got[whole[0].ihl * 4:] == want[IP(want).ihl * 4:], "data", packet.summary())


def judge_answers(judge, rng, count):
    codes4 = [(11, 0), (3, 4), (3, 0), (3, 1), (3, 3), (3, 13)]
    codes6 = [(3, 0), (2, 0), (1, 0), (1, 3), (1, 4), (1, 1)]
    for _ in range(count):
        v6 = rng.random() < 0.5
        shape, flow = Shape(rng, v6), Flow(v6, rng)
        shape.payload = bytes(rng.getrandbits(8) for _ in range(rng.choice((0, 9, 700, 1400))))
        packet, kind = shape.whole(flow, 1), rng.randint(0, 5)
        gateway = flow.address(rng)
        frame = bytes.fromhex(judge.ask("error", shape.frame(packet).hex(), kind, 1404, gateway))
        ether = Ether(frame)
        check(ether.src == MACS["dst"] and ether.dst == MACS["src"], "macs")
        answer = (IPv6 if v6 else IP)(frame[14 + 4 * len(shape.vlans):])
        check(answer.src == gateway and answer.dst == flow.src and is_right(answer, IPv6 if v6 else IP), "answer", answer.summary())
        icmp = answer.payload
        check((icmp.type, icmp.code) == (codes6 if v6 else codes4)[kind], "code", kind)
        quote = bytes(icmp)[8:]
        check(bytes(packet).startswith(quote) and len(quote) >= min(len(bytes(packet)), 500), "quote")
        check(len(bytes(answer)) <= (1280 if v6 else 576), "length")
        if kind == 1:
            check((icmp.mtu if v6 else icmp.nexthopmtu) == 1404, "mtu")
        if shape.kind == "tcp":
            frame = bytes.fromhex(judge.ask("reset", shape.frame(packet).hex()))
            reset = (IPv6 if v6 else IP)(frame[14 + 4 * len(shape.vlans):])
            tcp = reset[TCP]
            check(is_right(reset, IPv6 if v6 else IP) and reset.src == flow.dst and reset.dst == flow.src, "reset")
            check(tcp.sport == flow.dport and tcp.dport == flow.sport and len(tcp.payload) == 0, "reset's ports")
            if shape.flags & 16:
                check(tcp.flags == "R" and tcp.seq == shape.ack, "reset to ACK")
            else:
                length = len(shape.payload) + (1 if shape.flags & 2 else 0) + (1 if shape.flags & 1 else 0)
                check(tcp.flags == "RA" and tcp.seq == 0 and tcp.ack == (shape.seq + length) % 2**32, "reset to SYN")


def judge_neighbours(judge):
    mac = "00:1c:7f:00:00:01"
    arp = Ether(bytes.fromhex(judge.ask("arp_request", mac, "10.0.0.1", "10.0.0.2")))
    check(len(bytes(arp)) == 60 and arp.dst == "ff:ff:ff:ff:ff:ff" and arp[ARP].op == 1, "request")
    check((arp[ARP].hwsrc, arp[ARP].psrc, arp[ARP].pdst) == (mac, "10.0.0.1", "10.0.0.2"), "request")
    asked = Ether(src=MACS["src"], dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=MACS["src"], psrc="10.0.0.9", pdst="10.0.0.1")
    arp = Ether(bytes.fromhex(judge.ask("arp_reply", bytes(asked).hex(), mac)))
    check((arp.src, arp.dst, arp[ARP].op) == (mac, MACS["src"], 2), "reply")
    check((arp[ARP].hwsrc, arp[ARP].psrc, arp[ARP].hwdst, arp[ARP].pdst) == (mac, "10.0.0.1", MACS["src"], "10.0.0.9"), "reply")
    for operation in (1, 2):
        arp = Ether(bytes.fromhex(judge.ask("gratuitous", mac, "10.0.0.1", operation)))
        check((arp.src, arp[ARP].op, arp[ARP].psrc, arp[ARP].pdst) == (mac, operation, "10.0.0.1", "10.0.0.1"), "gratuitous")

    ns = Ether(bytes.fromhex(judge.ask("ns", mac, "fe80::1", "2001:db8::abcd:1234")))
    check(ns.dst == "33:33:ff:cd:12:34" and ns[IPv6].dst == "ff02::1:ffcd:1234" and ns[IPv6].hlim == 255, "NS")
    check(ns[ICMPv6ND_NS].tgt == "2001:db8::abcd:1234" and ns[ICMPv6NDOptSrcLLAddr].lladdr == mac, "NS")
    check(is_right(ns[IPv6], IPv6), "NS checksum")
    asked = Ether(src=MACS["src"], dst="33:33:ff:00:00:01") / IPv6(src="2001:db8::9", dst="ff02::1:ff00:1", hlim=255) / \
        ICMPv6ND_NS(tgt="2001:db8::1") / ICMPv6NDOptSrcLLAddr(lladdr=MACS["src"])
    na = Ether(bytes.fromhex(judge.ask("na", bytes(asked).hex(), mac)))
    check((na.src, na.dst, na[IPv6].src, na[IPv6].dst) == (mac, MACS["src"], "2001:db8::1", "2001:db8::9"), "NA")
    part = na[ICMPv6ND_NA]
    check((part.R, part.S, part.O, part.tgt) == (1, 1, 1, "2001:db8::1"), "NA")
    check(na[ICMPv6NDOptDstLLAddr].lladdr == mac and is_right(na[IPv6], IPv6), "NA")
    duplicate = Ether(src=MACS["src"], dst="33:33:ff:00:00:01") / IPv6(src="::", dst="ff02::1:ff00:1", hlim=255) / \
        ICMPv6ND_NS(tgt="2001:db8::1")
    na = Ether(bytes.fromhex(judge.ask("na", bytes(duplicate).hex(), mac)))
    check((na.dst, na[IPv6].dst, na[ICMPv6ND_NA].S) == ("33:33:00:00:00:01", "ff02::1", 0), "NA to all")
    asked[IPv6].hlim = 64
    del asked[ICMPv6ND_NS].cksum
    check(judge.ask("na", bytes(asked).hex(), mac) == "nd_hop_limit", "hop limit")
    na = Ether(bytes.fromhex(judge.ask("unsolicited", mac, "2001:db8::1")))
    part = na[ICMPv6ND_NA]
    check((na[IPv6].dst, part.R, part.S, part.O, na[ICMPv6NDOptDstLLAddr].lladdr) == ("ff02::1", 1, 0, 1, mac), "unsolicited")
    check(is_right(na[IPv6], IPv6), "unsolicited's checksum")


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 400
    rng = random.Random(seed)
    judge = Judge(sys.argv[1])
    judge_rewrites(judge, rng, count)
    judge_fragments(judge, rng, count // 4)
    judge_errors(judge, rng, count)
    judge_cut(judge, rng, count // 4)
    judge_answers(judge, rng, count // 2)
    judge_neighbours(judge)
    judge.close()
    print("scapy agrees: seed", seed)


if __name__ == "__main__":
    main()
