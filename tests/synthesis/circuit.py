"""A pipelined circuit of gates and carry chains, each put into a clock cycle when it is made.

A literal is a bit and whether it is inverted: 2 * bit + inverted; 0 and 1 are the constants. Inverters cost nothing, as a
LUT takes them in. Each gate goes into the earliest cycle in which its operands and the time left allow it: as soon as
possible, with a delay model that knows that several gates fit into one LUT (cuts of a few leaves).
"""
import dataclasses
import heapq

ZERO, ONE = 0, 1
# What the schedule counts on: of a LUT's six inputs five, as abc's mapping does not know when a carry chain is ready and
# finds fewer levels in one place for more in another. With six, paths of 5.0 ns came out where 2.3 were planned.
LUT_INPUTS = 5
CUTS_MAX = 5  # kept of each bit; more find hardly a better mapping and cost time


@dataclasses.dataclass(frozen=True)
class Delays:
    """Times in picoseconds (docs/synthesis.md gives their sources)."""
    period: int = 3333  # 300 MHz
    margin: int = 900  # 27 % of the period, what Vitis HLS keeps for placement and routing by default
    register: int = 130  # clock to output, and set-up
    lut: int = 100
    wire: int = 350
    carry_in: int = 120
    carry_bit: int = 15
    carry_out: int = 120
    mux: int = 80  # MUXF7, F8, F9 beside their LUTs

    @property
    def level(self) -> int:
        return self.lut + self.wire

    @property
    def budget(self) -> int:
        """For logic between two registers."""
        return self.period - self.margin - self.register


@dataclasses.dataclass
class Node:
    """A vector of like gates in one cycle, or one carry chain."""
    kind: str  # input, and, or, xor, mux, add, sub, lt, small_lt
    cycle: int
    operands: list  # vectors of literals
    bits: list  # its own bits


class TooSlow(ValueError):
    """A single operation that is longer than a clock cycle."""


class Circuit:
    def __init__(self, delays: Delays):
        self.delays = delays
        self.nodes: list[Node] = []
        self.cycle = [0]  # of each bit, bit 0 being the constant
        self.arrival = [0]  # picoseconds after the cycle's clock edge
        self.cuts = [()]
        self.place = [(None, 0)]  # node, index
        self.known: dict = {}
        self.groups: dict = {}

    def new_bit(self, node: int, cycle: int, arrival: int, cuts) -> int:
        self.place.append((node, len(self.nodes[node].bits)))
        self.cycle.append(cycle)
        self.arrival.append(arrival)
        bit = len(self.cycle) - 1
        self.cuts.append((*cuts, (arrival, frozenset((bit,)))))
        self.nodes[node].bits.append(bit)
        return bit

    def input(self, bits: int = 64) -> list:
        self.nodes.append(Node("input", 0, [], []))
        return [2 * self.new_bit(len(self.nodes) - 1, 0, 0, ()) for _ in range(bits)]

    def ready(self, literals) -> tuple:
        """Cycle and time at which the last of them is there."""
        return max(((self.cycle[x >> 1], self.arrival[x >> 1]) for x in literals), default=(0, 0))

    def merged(self, literals, cycle: int) -> list:
        """Cuts of a LUT over these literals in a cycle, best first; time is that of the last leaf. The literals
        themselves are always one of them."""
        bits = {x >> 1 for x in literals if x > 1}
        direct = (max((self.arrival[b] for b in bits if self.cycle[b] == cycle), default=0), frozenset(bits))
        merged = [(0, frozenset())]
        for bit in bits:
            own = self.cuts[bit] if self.cycle[bit] == cycle else ((0, frozenset((bit,))),)
            found = {}
            for time, leaves in merged:
                for other_time, other in own:
                    union = leaves | other
                    if len(union) <= LUT_INPUTS:
                        later = max(time, other_time)
                        found[union] = min(later, found.get(union, later))
            merged = sorted(((t, s) for s, t in found.items()), key=lambda c: (c[0], len(c[1])))[:CUTS_MAX]
        return merged if direct in merged else sorted([*merged, direct], key=lambda c: (c[0], len(c[1])))

    def lut(self, literals, cycle: int):
        """(arrival, cuts) of a LUT over these literals."""
        cuts = self.merged(literals, cycle)
        return cuts[0][0] + self.delays.level, cuts

    def gate(self, kind: str, literals, group) -> int:
        """A new gate in the vector `group`, in the earliest cycle."""
        key = (kind, *literals)
        if key in self.known:
            return self.known[key]
        cycle = self.ready(literals)[0]
        arrival, cuts = self.lut(literals, cycle)
        if arrival > self.delays.budget:
            cycle += 1
            arrival, cuts = self.lut(literals, cycle)
        place = (kind, cycle, group)
        if place not in self.groups:
            self.groups[place] = len(self.nodes)
            self.nodes.append(Node(kind, cycle, [[] for _ in literals], []))
        node = self.groups[place]
        for vector, literal in zip(self.nodes[node].operands, literals):
            vector.append(literal)
        self.known[key] = 2 * self.new_bit(node, cycle, arrival, cuts)
        return self.known[key]

    def and2(self, a: int, b: int, group) -> int:
        a, b = min(a, b), max(a, b)
        if a == ZERO or a ^ 1 == b:
            return ZERO
        if a == ONE or a == b:
            return b
        return self.gate("and", (a, b), group)

    def or2(self, a: int, b: int, group) -> int:
        a, b = min(a, b), max(a, b)
        if a == ONE or a ^ 1 == b:
            return ONE
        if a == ZERO or a == b:
            return b
        return self.gate("or", (a, b), group)

    def xor2(self, a: int, b: int, group) -> int:
        a, b = min(a, b), max(a, b)
        if a <= 1:
            return b ^ a
        if a >> 1 == b >> 1:
            return (a ^ b) & 1
        return self.gate("xor", (a & ~1, b & ~1), group) ^ (a ^ b) & 1

    def mux(self, chosen: int, a: int, b: int, group) -> int:
        """a where chosen, else b."""
        if chosen & 1:
            chosen, a, b = chosen ^ 1, b, a
        if chosen == ZERO or a == b:
            return b
        if a in (ONE, chosen):
            return self.or2(chosen, b, group)
        if a in (ZERO, chosen ^ 1):
            return self.and2(chosen ^ 1, b, group)
        if b in (ZERO, chosen):
            return self.and2(chosen, a, group)
        if b in (ONE, chosen ^ 1):
            return self.or2(chosen ^ 1, a, group)
        if a == b ^ 1:
            return self.xor2(chosen, b, group)
        if a & 1 and b & 1:
            return self.gate("mux", (chosen, a ^ 1, b ^ 1), group) ^ 1
        return self.gate("mux", (chosen, a, b), group)

    def many(self, kind: str, literals, group) -> int:
        """One of and, or, xor over many, those that are there first put together first."""
        make = {"and": self.and2, "or": self.or2, "xor": self.xor2}[kind]
        heap = [(*self.ready([x]), 0, x) for x in literals]
        heapq.heapify(heap)
        while len(heap) > 1:
            *_, depth, a = heapq.heappop(heap)
            *_, other, b = heapq.heappop(heap)
            depth = 1 + max(depth, other)
            made = make(a, b, (group, depth))
            heapq.heappush(heap, (*self.ready([made]), depth, made))
        return heap[0][3] if heap else {"and": ONE, "or": ZERO, "xor": ZERO}[kind]

    def chain(self, kind: str, a: list, b: list) -> list:
        """A carry chain over two vectors: add and sub give a vector, lt one bit."""
        cycle = self.ready([*a, *b])[0]
        times = self.chain_times(kind, a, b, cycle)
        if max(times) > self.delays.budget:
            cycle += 1
            times = self.chain_times(kind, a, b, cycle)
        if max(times) > self.delays.budget:
            raise TooSlow(f"{kind} of {len(a)} bits takes {max(times)} ps, and a cycle has {self.delays.budget}")
        self.nodes.append(Node(kind, cycle, [a, b], []))
        return [2 * self.new_bit(len(self.nodes) - 1, cycle, time, ()) for time in times]

    def chain_times(self, kind: str, a: list, b: list, cycle: int) -> list:
        d = self.delays
        times, carry = [], 0
        for pair in zip(a, b):
            own = self.lut(pair, cycle)[0] if max(pair) > 1 else 0
            # The chain takes the operand itself too, past the LUT of the sum.
            own = max(own, d.wire + max((self.arrival[x >> 1] for x in pair if self.cycle[x >> 1] == cycle), default=0))
            times.append(max(own + d.carry_in, carry) + d.carry_out)
            carry = max(carry, own + d.carry_in) + d.carry_bit
        return [carry + d.carry_out] if kind == "lt" else times

    def small_lt(self, a: list, b: list) -> int:
        """a < b of so few bits that a LUT holds it."""
        literals = sorted({x >> 1 for x in (*a, *b) if x > 1})
        cycle = self.ready([2 * bit for bit in literals])[0]
        arrival, cuts = self.lut([2 * bit for bit in literals], cycle)
        if arrival > self.delays.budget:
            cycle += 1
            arrival, cuts = self.lut([2 * bit for bit in literals], cycle)
        self.nodes.append(Node("small_lt", cycle, [a, b], []))
        return 2 * self.new_bit(len(self.nodes) - 1, cycle, arrival, cuts)
