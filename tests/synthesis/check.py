#!/usr/bin/env python3
"""Holds every stage_*.cpp to what a top of its own must be, before any HLS tool has seen it.

Each is compiled as C++14 by g++ and clang with all warnings, its self-check is run, and clang's optimized IR of the top is
read: one block of arithmetic and choices, without calls, memory, tables, multiplications or divisions; each output is
written once. Depth and LUTs are rtl.py's to say (docs/synthesis.md).
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

OPERATIONS = {"and", "or", "xor", "select", "phi", "add", "sub", "icmp", "zext", "sext", "trunc", "freeze", "shl", "lshr", "ashr",
              "ret", "getelementptr"}
INTRINSICS = {"fshl", "fshr", "umax", "umin", "smax", "smin", "bswap", "bitreverse", "abs", "usub.sat", "uadd.sat", "ctpop"}
IGNORED = ("llvm.dbg.", "llvm.experimental.noalias", "llvm.assume")


@dataclasses.dataclass
class Report:
    name: str
    problems: list[str]
    instructions: int = 0
    blocks: int = 0
    inputs: int = 0
    outputs: int = 0


def run(command, problems, what) -> bool:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode == 0:
        return True
    problems.append(f"{what}: " + (done.stdout + done.stderr).strip()[:2000])
    return False


class Top:
    """The IR of one function: what is in it that must not be."""

    def __init__(self, text: str, report: Report):
        self.report = report
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
            self.call(line)
        elif opcode == "br":
            self.successors[self.block] += re.findall(r"label %([\w.]+)", line)
        elif opcode == "store":
            self.store(line)
        elif opcode not in OPERATIONS:
            self.complain(f"{opcode} is not for hardware: {line}")

    def call(self, line: str) -> None:
        name = re.search(r"@([\w.]+)\(", line)
        called = name.group(1) if name else "?"
        if called.startswith(IGNORED):
            return
        kind = re.match(r"llvm\.([\w.]+)\.i\d+$", called)
        if kind is None or kind.group(1) not in INTRINSICS:
            self.complain(f"calls {called}")

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
    print(f"{'stage':<18}{'in':>4}{'out':>5}{'instructions':>14}{'blocks':>8}")
    for r in reports:
        print(f"{r.name:<18}{r.inputs:>4}{r.outputs:>5}{r.instructions:>14}{r.blocks:>8}")
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
