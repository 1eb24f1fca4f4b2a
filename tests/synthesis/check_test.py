#!/usr/bin/env python3
"""check.py must find what is wrong with a stage: each of these is wrong in one way."""
import pathlib
import subprocess
import sys
import tempfile

import check
import run_hls

TOP = 'extern "C" '
# Name: (source, a part of what must be said, or None for a stage without fault)
STAGES = {
    "fit": (TOP + "uint64_t stage_fit(uint64_t a, uint64_t b) { return a > b ? a + 1 : b; }", None),
    "unrolled": (TOP + "uint64_t stage_unrolled(uint64_t a) {"
                 " for (int i = 0; i < 2; ++i) a ^= a << 3; return a; }", None),
    "loop": (TOP + "uint64_t stage_loop(uint64_t a) {"
             " uint64_t n = 0; while (a) { a = (a ^ n) >> 1; n += a & 3; } return n; }", "a loop"),
    "table": ("static const uint64_t kTable[8] = {7, 1, 9, 3, 8, 2, 6, 5};"
              + TOP + "uint64_t stage_table(uint64_t a) { return kTable[a & 7]; }", "a table"),
    "index": (TOP + "uint64_t stage_index(uint64_t a, uint64_t b, uint64_t i) {"
              " volatile uint64_t w[2] = {a, b}; return w[i & 1]; }", "alloca"),
    "call": ('extern "C" uint64_t elsewhere(uint64_t);'
             + TOP + "uint64_t stage_call(uint64_t a) { return elsewhere(a); }", "calls elsewhere"),
    "divide": (TOP + "uint64_t stage_divide(uint64_t a, uint64_t b) { return a / (b | 1); }", "udiv"),
    "multiply": (TOP + "uint64_t stage_multiply(uint64_t a, uint64_t b) { return a * b; }", "mul"),
    "reads": (TOP + "uint64_t stage_reads(uint64_t a, const uint64_t* p) { return a + *p; }", "load"),
    "never": (TOP + "void stage_never(uint64_t a, uint64_t* x, uint64_t* y) { *x = a; (void)y; }"
              + TOP + "uint64_t stage_never_word(uint64_t a, uint64_t i) { return a + i; }", "is written 0 times"),
    "wordless": (TOP + "void stage_wordless(uint64_t a, uint64_t* x, uint64_t* y) { *x = a; *y = a + 1; }",
                 "no top stage_wordless_word"),
    "other_name": (TOP + "uint64_t stage_different(uint64_t a) { return a; }", "no extern"),
}


REPORT = """<profile><PerformanceEstimates><SummaryOfTimingAnalysis><EstimatedClockPeriod>2.4</EstimatedClockPeriod>
</SummaryOfTimingAnalysis><SummaryOfOverallLatency><Worst-caseLatency>9</Worst-caseLatency><Interval-min>1</Interval-min>
</SummaryOfOverallLatency></PerformanceEstimates><AreaEstimates><Resources><LUT>700</LUT><FF>{ff}</FF><DSP>0</DSP></Resources>
</AreaEstimates></profile>"""


def check_run_hls(folder: pathlib.Path) -> list[str]:
    """run_hls.py: another tool's answers, good and bad; no tool at all; Vitis' report."""
    problems = []
    runner = [sys.executable, "-B", str(check.HERE / "run_hls.py")]
    no_path = {"PATH": str(folder)}
    for printed, status in (('{"ii": 1, "depth": 3, "luts": 5}', 0), ('{"ii": 2, "depth": 3, "luts": 5}', 1),
                            ('{"ii": 1, "depth": "deep"}', 1), ("synthesis failed", 1)):
        tool = folder / "tool.py"
        tool.write_text(f"print({printed!r})\n")
        command = [*runner, "--tool", f"{sys.executable} {tool}", "--json", str(folder / "out.json"), "rewrite"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != status:
            problems.append(f"run_hls.py ended with {done.returncode}, not {status}, for a tool that prints {printed}")
    if subprocess.run(runner, capture_output=True, env=no_path).returncode != run_hls.NO_TOOL:
        problems.append("run_hls.py does not say that there is no tool")
    report = folder / "csynth.xml"
    report.write_text(REPORT.format(ff=900))
    wanted = {"ii": 1, "depth": 9, "luts": 700, "ffs": 900, "dsps": 0, "estimated_ns": "2.4"}
    if run_hls.read_report(report) != wanted:
        problems.append(f"csynth.xml read as {run_hls.read_report(report)}")
    report.write_text(REPORT.format(ff="many"))
    try:
        run_hls.read_report(report)
        problems.append("a report without a number of flip-flops is taken")
    except ValueError:
        pass
    return problems


def main() -> int:
    failed = 0
    with tempfile.TemporaryDirectory(prefix="phalanx-check-") as scratch:
        folder = pathlib.Path(scratch)
        for name, (text, said) in STAGES.items():
            source = folder / f"stage_{name}.cpp"
            source.write_text("#include <stdint.h>\n" + text + "\n")
            problems = check.check_ir(sys.argv[1], source, "-O2", folder).problems
            right = not problems if said is None else any(said in p for p in problems)
            if not right:
                print(f"{name}: wanted {said!r}, got {problems}", file=sys.stderr)
            failed += not right
        wrong = folder / "stage_fit.cpp"
        wrong.write_text("#include <stdint.h>\n" + STAGES["fit"][0] + "\nint main() { return 1; }\n")
        if not any("self-check" in p for p in check.check(wrong, "g++", sys.argv[1], folder).problems):
            print("a self-check that fails is not noticed", file=sys.stderr)
            failed += 1
        for problem in check_run_hls(folder):
            print(problem, file=sys.stderr)
            failed += 1
    print(f"{len(STAGES) + 8 - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
