"""Counts and times a netlist of UltraScale+ cells, as yosys' synth_xilinx writes it in JSON.

Times are of circuit.Delays: a LUT and the wire before it are one level. Wires inside a slice (LUT to its carry chain, its
multiplexer or its flip-flop, one CARRY4 to the next) cost nothing.
"""
import collections
import dataclasses
import re

from circuit import Delays

FLIP_FLOPS = ("FDRE", "FDSE", "FDCE", "FDPE")
SHIFTERS = ("SRL16E", "SRLC16E", "SRLC32E")
MUXES = ("MUXF7", "MUXF8", "MUXF9")
CARRY = "CARRY4"
IGNORED = ("BUFG", "GND", "VCC")
CARRY8_BITS = 8


class NetlistError(ValueError):
    """A netlist that must not be: a cell that is no part of a pipeline, as a latch."""


@dataclasses.dataclass
class Figures:
    luts: int = 0  # of logic
    shifter_luts: int = 0  # that delay a value by several cycles
    ffs: int = 0
    carry8: int = 0
    levels: int = 0  # LUTs and carry chains in a row between registers, most of any path
    path_ps: int = 0  # the slowest path, from clock to clock, without the margin


class Netlist:
    def __init__(self, module: dict, delays: Delays):
        self.delays = delays
        self.cells = module["cells"]
        self.drivers: dict = {}  # net: cell, port
        self.done: dict = {}  # net: (picoseconds, levels)
        self.counts = collections.Counter(cell["type"] for cell in self.cells.values())
        for name, cell in self.cells.items():
            self.known(name, cell["type"])
            for port, nets in cell["connections"].items():
                if cell["port_directions"][port] == "output":
                    self.drivers.update({net: (cell, port, i) for i, net in enumerate(nets)})

    def known(self, name: str, kind: str) -> None:
        if re.fullmatch(r"LUT[1-6]|INV", kind) or kind in (*FLIP_FLOPS, *SHIFTERS, *MUXES, CARRY, *IGNORED):
            return
        what = "a latch" if kind.startswith("LD") or "latch" in kind.lower() else "not a cell of a pipeline"
        raise NetlistError(f"{kind} {name} is {what}")

    def kind(self, net) -> str:
        return self.drivers[net][0]["type"] if net in self.drivers else "register"

    def arrival(self, net) -> tuple:
        """Time and levels at a net; registers, inputs and constants are at 0. Loops over a stack, as chains are long."""
        stack, path = [net], set()
        while stack:
            top = stack[-1]
            if top in self.done:
                stack.pop()
                continue
            sources = self.sources(top)
            missing = [s for s, *_ in sources if s not in self.done]
            if missing:
                path.add(top)
                if path.intersection(missing):
                    raise NetlistError("a loop without a register")
                stack += missing
                continue
            path.discard(top)
            times = [(self.done[s][0] + delay, self.done[s][1] + level) for s, delay, level in sources]
            self.done[top] = max((t for t, _ in times), default=0), max((n for _, n in times), default=0)
        return self.done[net]

    def sources(self, net) -> list:
        """(net, picoseconds, levels) of everything that a net depends on within its cycle."""
        if net not in self.drivers:
            return []
        cell, port, index = self.drivers[net]
        kind, pins = cell["type"], cell["connections"]
        d = self.delays
        if kind.startswith("LUT") or kind == "INV":
            return [(n, d.level, 1) for name, nets in pins.items() if name.startswith("I") for n in nets]
        if kind in MUXES:
            inside = [(n, d.mux + self.entry(n), 0) for name in ("I0", "I1") for n in pins[name]]
            return inside + [(n, d.wire + d.mux, 0) for n in pins["S"]]
        return self.carry_sources(pins, port, index) if kind == CARRY else []

    def entry(self, net) -> int:
        """From a net into a carry chain or multiplexer: nothing from the slice's own LUT, else through a LUT."""
        kind = self.kind(net)
        return 0 if isinstance(net, str) or kind.startswith("LUT") or kind in (*MUXES, "INV") else self.delays.level

    def carry_sources(self, pins: dict, port: str, index: int) -> list:
        d = self.delays
        found = []
        out = d.carry_out if port == "O" else 0
        for i in range(index + (port == "CO")):
            along = d.carry_in + (index - i) * d.carry_bit + out
            found += [(pins["S"][i], along + self.entry(pins["S"][i]), 1), (pins["DI"][i], along + d.wire, 1)]
        if port == "O":
            found.append((pins["S"][index], d.carry_in + out + self.entry(pins["S"][index]), 1))
        for net in (*pins["CI"], *pins.get("CYINIT", [])):
            chained = self.kind(net) == CARRY
            found.append((net, (0 if chained else d.wire + d.carry_in) + (index + 1) * d.carry_bit + out, 0 if chained else 1))
        return found

    def ends(self) -> list:
        """Nets that a register takes in."""
        return [net for cell in self.cells.values() if cell["type"] in (*FLIP_FLOPS, *SHIFTERS)
                for port, nets in cell["connections"].items()
                if port not in ("C", "CLK") and cell["port_directions"][port] == "input" for net in nets]

    def figures(self) -> Figures:
        result = Figures()
        for kind, count in self.counts.items():
            result.luts += count if kind.startswith("LUT") or kind == "INV" else 0
            result.shifter_luts += count if kind in SHIFTERS else 0
            result.ffs += count if kind in FLIP_FLOPS else 0
        result.carry8 = self.carry8()
        paths = [self.arrival(net) for net in self.ends()]
        result.path_ps = self.delays.register + max((time for time, _ in paths), default=0)
        result.levels = max((levels for _, levels in paths), default=0)
        return result

    def carry8(self) -> int:
        """Two CARRY4s of one chain share a CARRY8."""
        following = collections.Counter()
        lengths = {}
        for name, cell in self.cells.items():
            if cell["type"] == CARRY:
                (source,) = cell["connections"]["CI"]
                lengths[name] = source if self.kind(source) == CARRY else None
        heads: dict = {}
        by_cell = {id(cell): name for name, cell in self.cells.items()}

        def head(name):
            path = []
            while name not in heads and lengths[name] is not None:
                path.append(name)
                name = by_cell[id(self.drivers[lengths[name]][0])]
            top = heads.get(name, name)
            for one in (*path, name):
                heads[one] = top
            return top

        for name in lengths:
            following[head(name)] += 4
        return sum(-(-bits // CARRY8_BITS) for bits in following.values())
