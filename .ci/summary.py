#!/usr/bin/env python3
"""Counts test results: every GoogleTest case, and every ctest test that wrote no such report. Prints 'N passed, N failed'."""
import pathlib
import sys
import xml.etree.ElementTree as xml


def count(folder: pathlib.Path) -> tuple[int, int]:
    passed = failed = 0
    by_program = {}
    for report in folder.glob("*.xml"):
        root = xml.parse(report).getroot()
        total, bad = int(root.get("tests", 0)), int(root.get("failures", 0)) + int(root.get("errors", 0))
        by_program[report.stem] = (total - bad, bad)
    junit = folder / "ctest.junit"
    cases = xml.parse(junit).getroot().iter("testcase") if junit.exists() else []
    for case in cases:
        good, bad = by_program.pop(case.get("name"), (0, 0))
        program_failed = case.get("status") == "fail"
        if good + bad == 0:
            good, bad = (0, 1) if program_failed else (1, 0)
        elif program_failed and bad == 0:
            bad = 1  # it crashed or ran out of time after its last report
        passed, failed = passed + good, failed + bad
    return passed, failed


def main() -> int:
    totals = [count(pathlib.Path(folder)) for folder in sys.argv[1:]]
    passed, failed = sum(t[0] for t in totals), sum(t[1] for t in totals)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
