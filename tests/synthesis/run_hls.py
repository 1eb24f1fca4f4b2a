#!/usr/bin/env python3
"""Synthesizes every stage alone and collects initiation interval, depth and LUTs as JSON.

With vitis_hls on the PATH: one project a stage and top, for the U55C at 300 MHz, read from its csynth.xml. With --tool
COMMAND: that command instead, called as COMMAND SOURCE TOP INCLUDE_DIR OUTPUT_DIR, to print one JSON object with "ii",
"depth" and "luts". Ends with 3 if there is no tool, 1 if a stage fails or has an interval above 1, else 0.
"""
import argparse
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parent.parent
PART = "xcu55c-fsvh2892-2L-e"
CLOCK_NS = 3.33
NO_TOOL = 3
SECONDS_MAX = 1800  # a stage; the largest takes minutes

SCRIPT = """open_project -reset {top}
set_top {top}
add_files {source} -cflags "-std=c++14 -I{tree} -D__SYNTHESIS__"
open_solution -reset solution -flow_target vivado
set_part {part}
create_clock -period {clock}
csynth_design
exit
"""


def number(report, path: str) -> int:
    found = report.findtext(path)
    if found is None or not found.strip().isdigit():
        raise ValueError(f"csynth.xml: {path} is {found!r}, not a number")
    return int(found)


def read_report(path: pathlib.Path) -> dict:
    report = ElementTree.parse(path).getroot()
    latency = "PerformanceEstimates/SummaryOfOverallLatency/"
    return {"ii": number(report, latency + "Interval-min"), "depth": number(report, latency + "Worst-caseLatency"),
            "luts": number(report, "AreaEstimates/Resources/LUT"), "ffs": number(report, "AreaEstimates/Resources/FF"),
            "dsps": number(report, "AreaEstimates/Resources/DSP"),
            "estimated_ns": report.findtext("PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod")}


def by_vitis(source: pathlib.Path, top: str, folder: pathlib.Path) -> dict:
    script = folder / "run.tcl"
    script.write_text(SCRIPT.format(top=top, source=source, tree=TREE, part=PART, clock=CLOCK_NS))
    run(["vitis_hls", "-f", str(script)], folder)
    return read_report(folder / top / "solution" / "syn" / "report" / "csynth.xml")


def by_command(command: str, source: pathlib.Path, top: str, folder: pathlib.Path) -> dict:
    printed = run([*shlex.split(command), str(source), top, str(TREE), str(folder)], folder)
    result = json.loads(printed)
    for field in ("ii", "depth", "luts"):
        if not isinstance(result, dict) or not isinstance(result.get(field), (int, float)):
            raise ValueError(f"{command}: no number {field} in {printed.strip()[:200]!r}")
    return result


def run(command: list[str], folder: pathlib.Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS_MAX)
    if done.returncode != 0:
        raise ValueError(f"{command[0]} ended with {done.returncode}: {(done.stdout + done.stderr).strip()[-1500:]}")
    return done.stdout


def tops_of(source: pathlib.Path, words: bool) -> list[str]:
    tops = re.findall(r"^PHALANX_STAGE_TOP \w+ (stage_\w+)\(", source.read_text(), re.M)
    return [t for t in tops if words or t == source.stem]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stages", nargs="*", help="names, all if none")
    parser.add_argument("--tool", help="a command in vitis_hls's place")
    parser.add_argument("--words", action="store_true", help="also the tops that return one word")
    parser.add_argument("--json", type=pathlib.Path, help="write the results there, else to the output")
    arguments = parser.parse_args()
    if arguments.tool is None and shutil.which("vitis_hls") is None:
        print("vitis_hls is not on the PATH: nothing was synthesized (check.py works without it)", file=sys.stderr)
        return NO_TOOL
    sources = [HERE / f"stage_{s}.cpp" for s in arguments.stages] or sorted(HERE.glob("stage_*.cpp"))
    results, failed = {}, 0
    for source in sources:
        for top in tops_of(source, arguments.words):
            with tempfile.TemporaryDirectory(prefix="phalanx-hls-") as folder:
                try:
                    work = pathlib.Path(folder)
                    results[top] = (by_vitis(source, top, work) if arguments.tool is None
                                    else by_command(arguments.tool, source, top, work))
                    slow = results[top]["ii"] > 1
                except (OSError, ValueError, ElementTree.ParseError, subprocess.TimeoutExpired) as error:
                    results[top] = {"error": str(error)}
                    slow = True
                failed += slow
                print(f"{top}: {results[top]}", file=sys.stderr)
    text = json.dumps({"part": PART, "clock_ns": CLOCK_NS, "tool": arguments.tool or "vitis_hls", "stages": results},
                      indent=2) + "\n"
    if arguments.json:
        arguments.json.write_text(text)
    else:
        print(text, end="")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
