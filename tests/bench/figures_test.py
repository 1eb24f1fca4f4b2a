#!/usr/bin/env python3
"""figures.py: goals of either direction, and the page's tables, into which a report of some benchmarks is merged."""
import os
import tempfile
import unittest

import figures


def row(name, ours, goal=None, goal_is=None, met=None, peer=""):
    return {"name": name, "unit": "M/s", "ours": ours, "spread": 0, "peer": peer, "theirs": 2.0 if peer else None,
            "ratio": ours / 2.0 if peer else None, "goal": goal, "goal_is": goal_is, "met": met}


def report(*rows, cpu="a machine", load=0.5):
    return {"machine": {"cpu": cpu, "cores": 2, "memory_gb": 1.0, "kernel": "6"},
            "load": {"before": [load], "after": [load]}, "figures": list(rows)}


PAGE = "\n".join(["before", figures.TABLES[1][1], figures.TABLES[1][2], "between", figures.TABLES[0][1],
                  figures.TABLES[0][2], "after", ""])


class Goals(unittest.TestCase):
    def test_either_direction(self):
        for bound, ours, met in (("ours<=", 9, True), ("ours<=", 10, True), ("ours<=", 11, False),
                                 ("ours>=", 9, False), ("ours>=", 10, True), ("ours>=", 11, True),
                                 ("ours>=", None, False)):
            self.assertEqual(figures.is_met(bound, 10, ours, None), met, (bound, ours))

    def test_text_keeps_the_digits_that_matter(self):
        self.assertEqual(figures.goal_text(row("x", 1, 148.8, "ours>=")), "≥ 148.8 M/s")
        self.assertEqual(figures.goal_text(row("x", 1, 1 / 3, "ratio<=")), "≤ 0.3333×")


class Page(unittest.TestCase):
    def put(self, *reports, page=PAGE):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "page.md")
            with open(path, "w") as file:
                file.write(page)
            for one in reports:
                figures.update_page(path, one)
            with open(path) as file:
                return file.read()

    def names(self, text, table):
        _, begin, end = figures.TABLES[table]
        part = text.split(begin)[1].split(end)[0]
        return [figures.name_of(line) for line in part.split("\n") if line.startswith("| ") and line not in figures.HEAD]

    def test_figures_go_to_their_tables(self):
        text = self.put(report(row("lag_p50", 1), row("card_digest", 2), row("offload_x", 3, peer="CPU engine")))
        self.assertEqual(self.names(text, 1), ["lag_p50"])
        self.assertEqual(self.names(text, 0), ["card_digest", "offload_x"])
        self.assertTrue(text.startswith("before\n") and "\nbetween\n" in text and text.endswith("\nafter\n"))

    def test_some_figures_replace_theirs_alone(self):
        full = report(row("lag_p50", 1), row("engine_lookup", 5, peer="one"), row("engine_lookup", 6, peer="two"),
                      row("rtt", 7), row("card_digest", 2))
        text = self.put(full, report(row("engine_lookup", 8, peer="one"), row("engine_new", 9), cpu="another"))
        self.assertEqual(self.names(text, 1), ["lag_p50", "engine_lookup", "rtt", "engine_new"])
        self.assertEqual(self.names(text, 0), ["card_digest"])
        self.assertIn("| 8 M/s |", text)
        self.assertNotIn("| 5 M/s |", text)
        self.assertEqual(text.count("Machine: a machine"), 2)  # one a table
        self.assertIn("Machine: another, 2 cores, 1.0 GB, Linux 6. Load average before 0.5, after 0.5. Of engine_*.", text)

    def test_a_part_measured_again_is_named_once(self):
        text = self.put(report(row("lag_p50", 1), row("rtt", 7)), report(row("rtt", 8), load=0.6),
                        report(row("rtt", 9), load=0.7))
        self.assertEqual(text.count("Of rtt_*."), 1)
        self.assertIn("before 0.7", text)

    def test_all_figures_leave_nothing_old(self):
        text = self.put(report(row("lag_p50", 1)), report(row("lag_p50", 2), load=0.9))
        self.assertEqual(text.count("Machine: "), 1)
        self.assertIn("before 0.9", text)

    def test_a_page_without_markers_is_refused(self):
        with self.assertRaisesRegex(ValueError, "no markers"):
            self.put(report(row("card_digest", 1)), page="nothing\n")


if __name__ == "__main__":
    unittest.main()
