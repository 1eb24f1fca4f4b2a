#!/usr/bin/env python3
"""Compiles every stage to a pipelined Verilog module, simulates it against the stage compiled natively, and synthesizes it.

A small HLS compiler of this tree's own for exactly these stages: one block of integer operations each (ir.py), made a
circuit and put into clock cycles of 300 MHz (lower.py, circuit.py), written as Verilog (verilog.py), run in Icarus with
new inputs every clock (simulate.py), mapped to UltraScale+ cells by yosys, counted and timed (netlist.py). No vendor's
tool has part in it: docs/synthesis.md. Ends with 1 if a stage fails, 2 if a tool is missing.
"""
import argparse
import concurrent.futures
import dataclasses
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import check
import circuit
import ir
import lower
import netlist
import simulate
import verilog

# synth_xilinx, but for the step that makes LUTs: its own weighs a LUT by its inputs and does not hold levels down.
YOSYS = """read_verilog {top}.v
synth_xilinx -family xcup -flatten -noiopad -noclkbuf -top {top} -run begin:map_luts
opt_expr -mux_undef -noclkinv
abc -lut 6 -script +strash;dch,-f;if,-F,0,-A,0;mfs2
clean
techmap -map +/xilinx/ff_map.v
xilinx_srl -fixed -minlen 3
techmap -map +/xilinx/lut_map.v -map +/xilinx/cells_map.v -D LUT_WIDTH=6
xilinx_dffopt
opt_lut_ins -tech xilinx
clean
check -assert
write_json {top}.json
"""
LEVEL = "-O2"  # of clang, without vectors: as check.py
SECONDS_MAX = 600
TRIES_MAX = 4  # schedules of a stage: each leaves half a level more for what mapping makes longer; together two levels
MARGIN = 27  # percent of the period


@dataclasses.dataclass
class Result:
    stage: str
    problems: list
    ii: int = 0  # 1 once simulated with new inputs at every clock
    depth: int = 0
    checked_words: int = 0
    luts: int = 0
    shifter_luts: int = 0
    ffs: int = 0
    carry8: int = 0
    levels: int = 0
    path_ps: int = 0


def compiled(source: pathlib.Path, clang: str, scratch: pathlib.Path) -> ir.Function:
    """The stage's top, of what clang makes of it."""
    out = scratch / f"{source.stem}.ll"
    problems: list = []
    command = [clang, *check.COMMON, LEVEL, *check.LEVELS[LEVEL], "-Wno-unknown-pragmas", "-D__SYNTHESIS__", "-S",
               "-emit-llvm", str(source), "-o", str(out)]
    if not check.run(command, problems, "clang"):
        raise ir.IrError(problems[0])
    return ir.read(out.read_text(), source.stem)


def synthesized(text: str, top: str, delays: circuit.Delays, scratch: pathlib.Path) -> netlist.Figures:
    """What yosys maps the module to; its warnings are errors."""
    (scratch / f"{top}.v").write_text(text)
    (scratch / f"{top}.ys").write_text(YOSYS.format(top=top))
    done = subprocess.run(["yosys", "-q", "-e", ".*", "-s", f"{top}.ys"], cwd=scratch, capture_output=True,
                          text=True, timeout=SECONDS_MAX)
    if done.returncode != 0:
        raise netlist.NetlistError(f"yosys: {(done.stdout + done.stderr).strip()[-1500:]}")
    modules = json.loads((scratch / f"{top}.json").read_text())["modules"]
    return netlist.Netlist(modules[top], delays).figures()


def closed(function: ir.Function, period_ps: int, scratch: pathlib.Path, result: Result) -> verilog.Module:
    """The first schedule whose mapped paths are no longer than the clock's period; else the last, and a problem."""
    delays = circuit.Delays(period=period_ps, margin=period_ps * MARGIN // 100)
    for _ in range(TRIES_MAX):
        module = verilog.Module(lower.Lowering(function, delays))
        figures = synthesized(module.text, function.name, delays, scratch)
        for field in dataclasses.fields(figures):
            setattr(result, field.name, getattr(figures, field.name))
        if figures.path_ps <= period_ps:
            return module
        delays = dataclasses.replace(delays, margin=delays.margin + delays.level // 2)
    result.problems.append(f"a path of {figures.path_ps} ps is longer than the clock's {period_ps} ps")
    return module


def judge(source: pathlib.Path, options) -> Result:
    result = Result(source.stem[len("stage_"):], [])
    with tempfile.TemporaryDirectory(prefix="phalanx-rtl-") as folder:
        scratch = pathlib.Path(folder)
        try:
            function = compiled(source, options.clang, scratch)
            delays = circuit.Delays(period=options.period_ps, margin=options.period_ps * MARGIN // 100)
            module = verilog.Module(lower.Lowering(function, delays)) if options.simulate_only else \
                closed(function, options.period_ps, scratch, result)
            result.depth = module.depth
            if options.keep:
                (options.keep / f"{source.stem}.v").write_text(module.text)
            native = simulate.Native(source, function, options.gcc, scratch)
            given = simulate.vectors(native.known(), options.vectors, seed=1)
            result.checked_words = simulate.simulate(module.text, module.depth, native, given, scratch)
            result.ii = 1
        except (ir.IrError, simulate.Mismatch, netlist.NetlistError, subprocess.TimeoutExpired, OSError,
                circuit.TooSlow) as error:
            result.problems.append(str(error))
    return result


def table(results: list) -> str:
    lines = [f"{'stage':<18}{'II':>4}{'depth':>7}{'LUTs':>7}{'SRLs':>6}{'FFs':>7}{'CARRY8':>8}{'levels':>8}{'path ns':>9}"]
    for r in results:
        lines.append(f"{r.stage:<18}{r.ii:>4}{r.depth:>7}{r.luts:>7}{r.shifter_luts:>6}{r.ffs:>7}{r.carry8:>8}{r.levels:>8}"
                     f"{r.path_ps / 1000:>9.2f}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stages", nargs="*", help="names, all if none")
    parser.add_argument("--gcc", default="g++")
    parser.add_argument("--clang", default="clang++-14")
    parser.add_argument("--simulate-only", action="store_true", help="without yosys: no LUTs, no paths")
    parser.add_argument("--vectors", type=int, default=simulate.VECTORS, help="inputs besides the known ones")
    parser.add_argument("--period-ps", type=int, default=circuit.Delays.period, help="of the clock")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", type=pathlib.Path, help="also write the table there")
    parser.add_argument("--keep", type=pathlib.Path, help="a folder for the Verilog")
    options = parser.parse_args()
    tools = [options.gcc, options.clang, "iverilog", "vvp", *([] if options.simulate_only else ["yosys"])]
    for tool in tools:
        if shutil.which(tool) is None:
            print(f"{tool} is not installed", file=sys.stderr)
            return 2
    sources = [check.HERE / f"stage_{s}.cpp" for s in options.stages] or sorted(check.HERE.glob("stage_*.cpp"))
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda source: judge(source, options), sources))
    print(table(results))
    for r in results:
        for problem in r.problems:
            print(f"{r.stage}: {problem}", file=sys.stderr)
    if options.json:
        options.json.write_text(json.dumps({"period_ps": options.period_ps,
                                            "stages": [dataclasses.asdict(r) for r in results]}, indent=2) + "\n")
    failed = sum(1 for r in results if r.problems)
    print(f"{len(results) - failed} of {len(results)} stages are right at an interval of 1, "
          f"{sum(r.checked_words for r in results)} words compared")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
