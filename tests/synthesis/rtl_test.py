#!/usr/bin/env python3
"""rtl.py must find what is wrong with a circuit, and make right circuits of operations that no stage has yet."""
import pathlib
import re
import sys
import tempfile
import types

import circuit
import ir
import lower
import netlist
import rtl
import simulate
import verilog

CLANG = sys.argv[1]
HEAD = "#include <stdint.h>\n"

# Name: C++ of a word out of a, b and c; each has an operation in it that the IR may have.
OPERATIONS = {
    "shift_left": "a << (b & 63)",
    "shift_right": "(uint32_t)a >> (b & 31)",
    "shift_signed": "(uint64_t)((int64_t)a >> (b & 63))",
    "rotate_left": "a << (b & 63) | a >> (-b & 63)",
    "rotate_right": "(uint32_t)((uint32_t)a >> (b & 31) | (uint32_t)a << (-b & 31))",
    "rotate_16": "(uint16_t)((uint16_t)a << 5 | (uint16_t)a >> 11)",
    "swap": "__builtin_bswap64(a) ^ __builtin_bswap32((uint32_t)b)",
    "least": "(a < b ? a : b) ^ (uint32_t)((int32_t)a < (int32_t)c ? a : c)",
    "greatest": "(a > b ? a : b) ^ (uint32_t)((int32_t)a > (int32_t)c ? a : c)",
    "saturate": "(a > b ? a - b : 0) ^ ((uint32_t)a + (uint32_t)c < (uint32_t)a ? 0xffffffffu : (uint32_t)a + (uint32_t)c)",
    "absolute": "(uint32_t)((int32_t)a < 0 ? -(uint32_t)a : (uint32_t)a)",
    "count": "(uint64_t)__builtin_popcountll(a)",
    "leading": "a ? (uint64_t)__builtin_clzll(a) : 64",
    "trailing": "(uint32_t)b ? (uint64_t)__builtin_ctz((uint32_t)b) : 32",
    "signed": "(uint64_t)(int64_t)(int8_t)a + ((int16_t)b <= -3) + ((int64_t)a >= (int64_t)b)",
    "constants": "(a < 40) + (b > 0xfff0) * 2 + ((uint16_t)c <= 0x8000) * 4 + ((uint16_t)a >= 3) * 8",
    "sums": "a + b + c + (a << 8) + (uint8_t)b",
    "differences": "(a << 16) - (b & ~4095ull) ^ (uint16_t)((uint8_t)c - (uint16_t)b)",
    "tree": "a ^ b ^ c ^ a >> 3 ^ b >> 5 ^ (a & b & c & (a >> 1)) ^ (a | b | c | b >> 9)",
}

# What clang makes of C++ only at times, on constants that fold: the last lines of a top, and what it returns.
FOLDED = {
    "%2 = tail call i8 @llvm.umin.i8(i8 -3, i8 7)\n  %3 = zext i8 %2 to i64": 7,
    "%2 = tail call i8 @llvm.umax.i8(i8 -3, i8 7)\n  %3 = zext i8 %2 to i64": 253,
    "%2 = tail call i8 @llvm.smin.i8(i8 -3, i8 7)\n  %3 = zext i8 %2 to i64": 253,
    "%2 = tail call i8 @llvm.smax.i8(i8 -3, i8 7)\n  %3 = zext i8 %2 to i64": 7,
    "%2 = tail call i8 @llvm.bitreverse.i8(i8 11)\n  %3 = zext i8 %2 to i64": 0xd0,
    "%2 = tail call i8 @llvm.abs.i8(i8 -100, i1 false)\n  %3 = zext i8 %2 to i64": 100,
    "%2 = tail call i8 @llvm.usub.sat.i8(i8 3, i8 4)\n  %3 = zext i8 %2 to i64": 0,
    "%2 = tail call i8 @llvm.uadd.sat.i8(i8 -3, i8 4)\n  %3 = zext i8 %2 to i64": 255,
    "%2 = tail call i8 @llvm.fshr.i8(i8 1, i8 -128, i8 7)\n  %3 = zext i8 %2 to i64": 3,
    "%2 = tail call i8 @llvm.ctlz.i8(i8 0, i1 false)\n  %3 = zext i8 %2 to i64": 8,
    "%2 = freeze i8 -2\n  %3 = sext i8 %2 to i64": 2**64 - 2,
    "%2 = icmp sle i8 -2, 1\n  %3 = zext i1 %2 to i64": 1,
    "%2 = ashr exact i8 -64, 3\n  %3 = sext i8 %2 to i64": 2**64 - 8,
}

# One that takes several cycles, with values kept over some of them.
PIPELINE = "uint64_t x = a + b, y = x ^ c << 3, z = y - a; return (z > b ? z - c : z) + (x & 0xffff) + 77;"

IR = "define i64 @stage_x(i64 noundef %0, i64* noundef %1) {{\n  {}\n  ret i64 %0\n}}\n"
# A line of IR and what must be said of it.
REFUSED = {
    "%2 = mul i64 %0, %0": "no circuit for",
    "%2 = load i64, i64* %1": "no circuit for",
    "%2 = udiv i64 %0, 3": "no circuit for",
    "%2 = call i64 @elsewhere(i64 %0)": "no integer intrinsic",
    "%2 = tail call i64 @llvm.pdep.i64(i64 %0, i64 %0)": "intrinsic pdep has no circuit",
    "br label %3": "no circuit for",
    "%2 = add i64 %0, @table": "is no value",
}

FAULTS: list = []


def expect(right: bool, what: str) -> None:
    if not right:
        FAULTS.append(what)


class Example:
    """A stage of one word, compiled both ways."""

    def __init__(self, name: str, body: str, scratch: pathlib.Path):
        source = scratch / f"stage_{name}.cpp"
        top = f'extern "C" uint64_t stage_{name}(uint64_t a, uint64_t b, uint64_t c)'
        source.write_text(HEAD + f"{top} {{ (void)b; (void)c; {body} }}\nint main() {{ return 1 & stage_{name}(9, 5, 3) >> 63; }}\n")
        self.scratch = scratch
        self.function = rtl.compiled(source, CLANG, scratch)
        self.native = simulate.Native(source, self.function, "g++", scratch)
        self.given = simulate.vectors(self.native.known(), 300, seed=2)
        self.module = self.build()

    def build(self, **delays) -> verilog.Module:
        return verilog.Module(lower.Lowering(self.function, circuit.Delays(**delays)))

    def right(self, text: str, depth: int) -> bool:
        try:
            return simulate.simulate(text, depth, self.native, self.given, self.scratch) == len(self.given)
        except simulate.Mismatch:
            return False


def check_operations(scratch: pathlib.Path) -> int:
    codes = set()
    for name, expression in OPERATIONS.items():
        example = Example(name, f"return {expression};", scratch)
        codes |= {op.code for op in example.function.ops}
        expect(example.right(example.module.text, example.module.depth), f"{name}: the circuit is wrong")
        slow = example.build(period=3333, margin=1400)
        expect(slow.depth >= example.module.depth and example.right(slow.text, slow.depth),
               f"{name}: the circuit with shorter cycles is wrong")
    wanted = {"fshl", "bswap", "usub.sat", "ctpop", "ctlz", "cttz", "ashr", "shl", "lshr", "select", "icmp", "sub"}
    expect(wanted <= codes, f"clang made no {sorted(wanted - codes)} of the operations")
    return 2 * len(OPERATIONS) + 1


def check_wrong_circuits(scratch: pathlib.Path) -> int:
    """Each register lost, each sum or comparison another, each constant wrong, each operand taken a cycle early or late."""
    example = Example("pipeline", PIPELINE, scratch)
    text, depth = example.module.text, example.module.depth
    expect(depth >= 4, f"a pipeline of {depth} cycles shows little")
    expect(example.right(text, depth), "the right pipeline is called wrong")
    for other in (depth - 1, depth + 1):
        expect(not example.right(text, other), f"a depth of {other} is taken for {depth}")
    wrong = {}
    for line in re.findall(r"^    n\d+_c\d+ <= n\d+_c\d+;$", text, re.M):
        kept, source = line.strip(" ;").split(" <= ")
        lost = text.replace(line + "\n", "").replace(f"reg [63:0] {kept};", f"wire [63:0] {kept} = {source};")
        wrong[f"register lost: {line.strip()}"] = re.sub(rf"reg (\[\d+:0\] )?{kept};", rf"wire \1{kept} = {source};", lost)
    for line in re.findall(r"^  assign .*$", text, re.M):
        for before, after in ((" + ", " - "), (" - ", " + "), (" < ", " > "), (" ^ ", " | ")):
            if before in line:
                wrong[f"{before}for{after}in {line.strip()}"] = text.replace(line, line.replace(before, after, 1))
        for name, cycle in re.findall(r"(n\d+_c)(\d+)\b", line.split(" = ")[1]):
            for at in (int(cycle) - 1, int(cycle) + 1):
                if re.search(rf"(wire|reg) (\[\d+:0\] )?{name}{at};", text):
                    changed = line.split(" = ")[1].replace(f"{name}{cycle}", f"{name}{at}")
                    wrong[f"{name}{at} in {line.strip()}"] = text.replace(line, f"{line.split(' = ')[0]} = {changed}")
    constant = re.search(r"\d+'b[01]*1001101\b", text)
    expect(constant is not None, "the constant 77 is not in the circuit")
    if constant:
        wrong["constant"] = text.replace(constant.group(0), constant.group(0)[:-1] + "0")
    expect(len(wrong) >= 15, f"only {len(wrong)} wrong circuits were made")
    for what, changed in wrong.items():
        expect(changed != text and not example.right(changed, depth), f"not noticed: {what}")
    return len(wrong) + 6


def check_schedule(scratch: pathlib.Path) -> int:
    """An operation put a cycle before its operands is no circuit; one longer than a cycle is refused."""
    example = Example("schedule", PIPELINE, scratch)
    lowering, moved = lower.Lowering(example.function, circuit.Delays()), 0
    for node in lowering.circuit.nodes:
        if node.cycle == 0 or all(lowering.circuit.cycle[x >> 1] < node.cycle for v in node.operands for x in v):
            continue
        node.cycle -= 1
        try:
            verilog.Module(lowering)
            expect(False, f"a {node.kind} before its operands is taken")
        except AssertionError:
            moved += 1
        node.cycle += 1
    expect(moved > 0, "no operation could be put too early")
    try:
        example.build(period=1500, margin=0)
        expect(False, "a 64-bit sum in 1.5 ns is taken")
    except circuit.TooSlow:
        pass
    return moved + 2


def check_refusals() -> int:
    for line, said in REFUSED.items():
        try:
            ir.read(IR.format(line), "stage_x")
            expect(False, f"taken: {line}")
        except ir.IrError as error:
            expect(said in str(error), f"{line}: said {error}")
    return len(REFUSED)


def check_folded() -> int:
    for lines, wanted in FOLDED.items():
        function = ir.read(IR.format(lines).replace("ret i64 %0", "ret i64 %3"), "stage_x")
        word = lower.Lowering(function, circuit.Delays()).outputs[0]
        expect(max(word) <= 1 and sum(x << i for i, x in enumerate(word)) == wanted, f"{lines}: {word}, not {wanted}")
    return len(FOLDED)


def cell(kind: str, **pins) -> dict:
    return {"type": kind, "connections": {p: n if isinstance(n, list) else [n] for p, n in pins.items()},
            "port_directions": {p: "output" if p in ("O", "Q", "CO") else "input" for p in pins}}


def check_timing() -> int:
    """Paths that are added up by hand."""
    d = circuit.Delays()
    end = cell("FDRE", C=1, CE="1", D=9, Q=10, R="0")
    luts = {f"lut{i}": cell("LUT2", I0=20 + i, I1=2, O=21 + i if i < 4 else 9) for i in range(5)}
    add = cell("CARRY4", CI="0", CYINIT="0", DI=[30, 31, 32, 33], S=[34, 35, 36, 37], O=[38, 39, 40, 9], CO=[41, 42, 43, 44])
    sum_luts = {f"s{i}": cell("LUT2", I0=30 + i, I1=2, O=34 + i) for i in range(4)}
    carried = max(d.level, d.wire) + d.carry_in + 3 * d.carry_bit + d.carry_out
    for what, cells, wanted in (("five LUTs", luts, (5 * d.level, 5)), ("a sum of four bits", {"add": add, **sum_luts}, (carried, 2)),
                                ("a register alone", {"before": cell("FDRE", C=1, CE="1", D=8, Q=9, R="0")}, (0, 0))):
        found = netlist.Netlist({"cells": {**cells, "end": end}}, d).figures()
        expect((found.path_ps - d.register, found.levels) == wanted, f"{what}: {found}, not {wanted}")
    for what, cells in (("latch", {"latch": cell("LDCE", G=1, D=3, Q=9)}),
                        ("loop", {"a": cell("LUT1", I0=8, O=9), "b": cell("LUT1", I0=9, O=8)})):
        try:
            netlist.Netlist({"cells": {**cells, "end": end}}, d).figures()
            expect(False, f"a {what} is taken")
        except netlist.NetlistError as error:
            expect(what in str(error), f"{what}: said {error}")
    return 5


def check_yosys(scratch: pathlib.Path) -> int:
    """A module with a latch, one with an error, and a clock that no schedule can meet."""
    wrong = {"latch": "module top(input clk, input d, output reg q); always @* if (clk) q = d; endmodule",
             "driver": "module top(input clk, input d, output q); assign q = missing; assign q = d; endmodule"}
    for what, text in wrong.items():
        try:
            rtl.synthesized(text, "top", circuit.Delays(), scratch)
            expect(False, f"yosys: a {what} is taken")
        except netlist.NetlistError:
            pass
    source = scratch / "stage_yosys.cpp"
    source.write_text(HEAD + 'extern "C" uint64_t stage_yosys(uint64_t a, uint64_t b) { return a ^ b >> 1; }\n'
                      "int main() { return (int)stage_yosys(0, 0); }\n")
    options = types.SimpleNamespace(clang=CLANG, gcc="g++", simulate_only=False, keep=None, vectors=30, period_ps=3333)
    result = rtl.judge(source, options)
    expect((result.problems, result.ii, result.depth, result.levels, result.ffs) == ([], 1, 1, 1, 64), f"yosys: {result}")
    expect(63 <= result.luts <= 64, f"yosys: {result.luts} LUTs for 63 gates")
    options.period_ps = 500
    expect(any("longer than" in p for p in rtl.judge(source, options).problems), "a level in 0.5 ns is taken")
    return 5


def main() -> int:
    count = check_refusals() + check_folded() + check_timing()
    with tempfile.TemporaryDirectory(prefix="phalanx-rtl-test-") as folder:
        scratch = pathlib.Path(folder)
        count += check_operations(scratch) + check_wrong_circuits(scratch) + check_schedule(scratch) + check_yosys(scratch)
    for fault in FAULTS:
        print(fault, file=sys.stderr)
    print(f"{count - len(FAULTS)} passed, {len(FAULTS)} failed")
    return 1 if FAULTS else 0


if __name__ == "__main__":
    sys.exit(main())
