#!/usr/bin/env python3
"""Holds every stage_*.cpp to what a top of its own must be, and says what it costs before any HLS tool has seen it.

Each is compiled as C++14 by g++ and clang with all warnings, its self-check is run, and clang's optimized IR of the top is
read: one block of arithmetic and choices, without calls, memory, tables, multiplications or divisions; each output is
written once. The table's depth and LUTs are estimates of the IR on six-input LUTs (docs/synthesis.md).
"""
import argparse
import ctypes
import dataclasses
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import models

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parent.parent
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wno-sign-conversion", "-Wno-unknown-pragmas",
            "-Werror"]
COMMON = ["-std=c++14", "-fno-exceptions", "-fno-rtti", f"-I{TREE}"]
# Both levels that HLS front ends use; vectors are what no front end of theirs would make.
LEVELS = {"-O1": [], "-O2": ["-fno-vectorize", "-fno-slp-vectorize"]}

# LUT6 a bit and levels of logic (one LUT and its wire; an adder or comparison is a carry chain, two levels). Choices with
# constants are cheaper, and are merged into their neighbours by any tool: this is an upper bound.
COST = {
    "and": (1.0, 1), "or": (1.0, 1), "xor": (1.0, 1), "select": (1.0, 1), "phi": (1.0, 1),
    "add": (1.0, 2), "sub": (1.0, 2), "icmp": (0.5, 2),
    "zext": (0, 0), "sext": (0, 0), "trunc": (0, 0), "freeze": (0, 0),
}
FREE = {"ret", "br", "store", "getelementptr"}
INTRINSICS = {"fshl": (0, 0), "fshr": (0, 0), "umax": (1.5, 3), "umin": (1.5, 3), "smax": (1.5, 3), "smin": (1.5, 3),
              "bswap": (0, 0), "bitreverse": (0, 0), "abs": (1.0, 2), "usub.sat": (2.0, 3), "uadd.sat": (2.0, 3),
              "ctpop": (1.5, 6)}
IGNORED = ("llvm.dbg.", "llvm.experimental.noalias", "llvm.assume")


@dataclasses.dataclass
class Report:
    name: str
    problems: list[str]
    instructions: int = 0
    blocks: int = 0
    depth: int = 0
    luts: int = 0
    inputs: int = 0
    outputs: int = 0


def run(command, problems, what) -> bool:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode == 0:
        return True
    problems.append(f"{what}: " + (done.stdout + done.stderr).strip()[:2000])
    return False


def width(line: str) -> int:
    """Bits that an instruction works on: of its operands for a comparison, else of its result."""
    found = re.search(r"(?:icmp \w+|select i1 [^,]+,|phi|= \w+(?: nuw| nsw| exact)*|call) (?:noundef )?i(\d+)", line)
    return int(found.group(1)) if found else 1


class Top:
    """The IR of one function: what is in it that must not be, and its cost."""

    def __init__(self, text: str, report: Report):
        self.report = report
        self.depths: dict[str, float] = {}
        self.luts = 0.0
        self.successors: dict[str, list[str]] = {}
        self.stored: list[str] = []
        lines = text.splitlines()
        signature = lines[0]
        arguments = re.findall(r"(i64\*|i64|ptr)[^,%]*(%[\w.]+)", signature[signature.index("("):])
        self.outputs = {name for kind, name in arguments if kind != "i64"}
        report.inputs = len(arguments) - len(self.outputs)
        report.outputs = len(self.outputs) or 1
        self.block = "entry"
        self.successors[self.block] = []
        for line in lines[1:]:
            self.read(line)
        self.judge()

    def complain(self, what: str) -> None:
        self.report.problems.append(what)

    def read(self, line: str) -> None:
        label = re.match(r"^([\w.]+):", line)
        if label:
            self.block = label.group(1)
            self.successors.setdefault(self.block, [])
            return
        line = line.split(", !")[0].strip()
        if not line or line == "}":
            return
        self.report.instructions += 1
        result = re.match(r"(%[\w.]+) = (?:tail )?(\w+)", line)
        opcode = result.group(2) if result else line.split()[1 if line.startswith("tail ") else 0]
        if opcode == "call":
            cost = self.call(line)
        elif opcode in ("shl", "lshr", "ashr"):
            cost = self.shift(line)
        elif opcode == "br":
            self.successors[self.block] += re.findall(r"label %([\w.]+)", line)
            return
        elif opcode == "store":
            self.store(line)
            return
        elif opcode in FREE:
            cost = (0, 0)
        elif opcode in COST:
            cost = COST[opcode]
        else:
            self.complain(f"{opcode} is not for hardware: {line}")
            cost = (0, 0)
        bits = width(line)
        self.luts += cost[0] * bits
        if result:
            operands = re.findall(r"%[\w.]+", line[line.index("="):])
            self.depths[result.group(1)] = cost[1] + max((self.depths.get(o, 0) for o in operands), default=0)

    def call(self, line: str):
        name = re.search(r"@([\w.]+)\(", line)
        called = name.group(1) if name else "?"
        if called.startswith(IGNORED):
            return (0, 0)
        kind = re.match(r"llvm\.([\w.]+)\.i\d+$", called)
        if kind is None or kind.group(1) not in INTRINSICS:
            self.complain(f"calls {called}")
            return (0, 0)
        if kind.group(1) in ("fshl", "fshr") and not re.search(r", i\d+ \d+\)", line):
            return (6.0, 6)
        return INTRINSICS[kind.group(1)]

    def shift(self, line: str):
        """By a constant: wires. By a value: a choice for each bit of it."""
        if re.search(r", -?\d+$", line):
            return (0, 0)
        levels = max(1, (width(line) - 1).bit_length())
        return (levels * 0.6, (levels + 1) // 2)

    def store(self, line: str) -> None:
        target = re.search(r"(?:i64\*|ptr) (%[\w.]+)", line)
        if target is None or target.group(1) not in self.outputs:
            self.complain(f"writes memory that is no output: {line}")
            return
        self.stored.append(target.group(1))

    def judge(self) -> None:
        order, done = [], set()

        def visit(block, path):  # blocks are few
            if block in path:
                self.complain(f"a loop through block {block}")
                return
            if block in done:
                return
            for following in self.successors.get(block, []):
                visit(following, path | {block})
            done.add(block)
            order.append(block)

        visit("entry", frozenset())
        for output in sorted(self.outputs):
            times = self.stored.count(output)
            if times != 1:
                self.complain(f"output {output} is written {times} times")
        self.report.blocks = len(self.successors)
        self.report.depth = int(max(self.depths.values(), default=0))
        self.report.luts = int(self.luts)


def check_ir(clang: str, source: pathlib.Path, level: str, scratch: pathlib.Path) -> Report:
    name = source.stem[len("stage_"):]
    report = Report(name, [])
    out = scratch / f"{source.stem}{level}.ll"
    command = [clang, *COMMON, level, *LEVELS[level], "-Wno-unknown-pragmas", "-D__SYNTHESIS__", "-S", "-emit-llvm",
               str(source), "-o", str(out)]
    if not run(command, report.problems, f"clang {level}"):
        return report
    text = out.read_text()
    for table in re.findall(r"^@[\w.]+ = .*", text, re.M):
        report.problems.append(f"a table: {table[:100]}")
    tops = dict((m.group(1), m.group(0)) for m in re.finditer(r"^define [^@]*@stage_(\w+)\(.*?^}", text, re.M | re.S))
    word = Report(f"{name}_word", [])
    for form in (report, word):
        if form.name in tops:
            Top(tops[form.name], form)
        if form.blocks > 1:
            form.problems.append(f"{form.blocks} blocks: branches that are no choices")
    if name not in tops:
        report.problems.append(f'no extern "C" top stage_{name}')
    if report.outputs > 1 and word.name not in tops:
        report.problems.append(f"no top stage_{word.name} for tools that take no outputs by pointer")
    report.problems += [f"{word.name}: {problem}" for problem in word.problems]
    return report


def check(source: pathlib.Path, gcc: str, clang: str, scratch: pathlib.Path) -> Report:
    name = source.stem[len("stage_"):]
    problems: list[str] = []
    for include in re.findall(r'#include "([^"]+)"', source.read_text()):
        if not include.startswith("hls/"):
            problems.append(f"includes {include}")
    if "#pragma HLS pipeline II = 1" not in source.read_text():
        problems.append("no #pragma HLS pipeline II = 1")
    for compiler in (gcc, clang):
        program = scratch / f"{source.stem}-{pathlib.Path(compiler).name}"
        if run([compiler, *COMMON, "-O1", *WARNINGS, str(source), "-o", str(program)], problems, compiler):
            run([str(program)], problems, f"self-check by {compiler}")
    if name in models.MODELS:
        library = scratch / f"{source.stem}.so"
        if run([gcc, *COMMON, "-O1", *WARNINGS, "-shared", "-fPIC", "-D__SYNTHESIS__", str(source), "-o", str(library)],
               problems, gcc):
            problems += models.MODELS[name](ctypes.CDLL(str(library)))
    reports = [check_ir(clang, source, level, scratch) for level in LEVELS]
    report = reports[-1]
    for level, one in zip(LEVELS, reports):
        report.problems = report.problems if one is report else report.problems + [f"{level}: {p}" for p in one.problems]
    report.problems += problems
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stages", nargs="*", help="names, all if none")
    parser.add_argument("--gcc", default="g++")
    parser.add_argument("--clang", default="clang++-14")
    parser.add_argument("--json", type=pathlib.Path, help="also write the table there")
    arguments = parser.parse_args()
    for tool in (arguments.gcc, arguments.clang):
        if shutil.which(tool) is None:
            print(f"{tool} is not installed", file=sys.stderr)
            return 2
    sources = sorted(HERE.glob("stage_*.cpp"))
    if arguments.stages:
        sources = [HERE / f"stage_{name}.cpp" for name in arguments.stages]
    with tempfile.TemporaryDirectory(prefix="phalanx-stages-") as scratch:
        reports = [check(s, arguments.gcc, arguments.clang, pathlib.Path(scratch)) for s in sources]
    print(f"{'stage':<18}{'in':>4}{'out':>5}{'instructions':>14}{'blocks':>8}{'depth':>7}{'LUTs':>7}")
    for r in reports:
        print(f"{r.name:<18}{r.inputs:>4}{r.outputs:>5}{r.instructions:>14}{r.blocks:>8}{r.depth:>7}{r.luts:>7}")
    for r in reports:
        for problem in r.problems:
            print(f"{r.name}: {problem}", file=sys.stderr)
    if arguments.json:
        arguments.json.write_text(json.dumps([dataclasses.asdict(r) for r in reports], indent=2) + "\n")
    failed = sum(1 for r in reports if r.problems)
    print(f"{len(reports) - failed} of {len(reports)} stages are fit for synthesis alone")
    return 1 if failed or not reports else 0


if __name__ == "__main__":
    sys.exit(main())
