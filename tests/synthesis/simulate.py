"""Holds a stage's Verilog against the stage compiled natively: new inputs with every clock, every output word `depth`
clocks later. That none is missed or mixed up is what an interval of 1 means.

Inputs are those that the stage's own self-check gives it, those with some of their bits changed, numbers that are near
the ends of fields, and random ones; expected outputs are g++'s, so clang's IR is judged too.
"""
import ctypes
import pathlib
import random
import re
import subprocess

import check

VECTORS = 1500  # of changed, bordering and random inputs each a third; what Icarus does in two seconds for the largest
SECONDS_MAX = 300

RECORDER = """#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
int stage_self_check();
extern "C" {result} {top}({parameters}) {{
  static const auto real = reinterpret_cast<{result} (*)({parameters})>(dlsym(RTLD_NEXT, "{top}"));
  const uint64_t words[] = {{{inputs}}};
  for (const uint64_t word : words) printf("in %016llx\\n", (unsigned long long)word);
  return real({arguments});
}}
int main() {{ return stage_self_check(); }}
"""

BENCH = """`timescale 1ns/1ps
module bench;
  reg clk = 0;
  reg [63:0] given [0:{given}];
  reg [63:0] expected [0:{expected}];
{wires}
  {top} stage(.clk(clk), {ports});
  integer step, wrong = 0, checked = 0;
  task hold(input integer at, input integer word, input [63:0] found);
    begin
      checked = checked + 1;
      if (found !== expected[at * {outputs} + word]) begin
        wrong = wrong + 1;
        if (wrong <= 5)
          $display("wrong: input %0d, word %0d is %h, not %h", at, word, found, expected[at * {outputs} + word]);
      end
    end
  endtask
  initial begin
    $readmemh("given.hex", given);
    $readmemh("expected.hex", expected);
    for (step = 0; step < {steps}; step = step + 1) begin
      if (step >= {depth}) begin
{holds}
      end
      if (step < {vectors}) begin
{feeds}
      end
      #1 clk = 1;
      #1 clk = 0;
    end
    $display("checked %0d words, %0d wrong", checked, wrong);
    $finish;
  end
endmodule
"""


class Mismatch(ValueError):
    """What the circuit gives is not what the stage gives; or it could not be asked."""


def run(command: list, cwd: pathlib.Path) -> str:
    done = subprocess.run([str(x) for x in command], cwd=cwd, capture_output=True, text=True, timeout=SECONDS_MAX)
    if done.returncode != 0:
        raise Mismatch(f"{command[0]} ended with {done.returncode}: {(done.stdout + done.stderr).strip()[-1500:]}")
    return done.stdout


class Native:
    """A stage's top, compiled by g++."""

    def __init__(self, source: pathlib.Path, function, gcc: str, scratch: pathlib.Path):
        self.source, self.gcc, self.scratch = source, gcc, scratch
        self.name, self.inputs = function.name, len(function.inputs)
        self.returns = function.outputs == ["result"]
        self.outputs = len(function.outputs)
        library = scratch / f"{self.name}.so"
        run([gcc, *check.COMMON, "-O1", "-w", "-shared", "-fPIC", "-D__SYNTHESIS__", source, "-o", library], scratch)
        self.top = getattr(ctypes.CDLL(str(library)), self.name)
        self.top.restype = ctypes.c_uint64 if self.returns else None
        self.top.argtypes = [ctypes.c_uint64] * self.inputs + [ctypes.c_void_p] * (0 if self.returns else self.outputs)
        self.words = (ctypes.c_uint64 * self.outputs)()
        start = ctypes.addressof(self.words)
        self.pointers = [] if self.returns else [start + 8 * i for i in range(self.outputs)]

    def __call__(self, words: list) -> list:
        result = self.top(*words, *self.pointers)
        return [result] if self.returns else list(self.words)

    def known(self) -> list:
        """The inputs that the self-check gives to the top, by a program that stands between them."""
        count = self.inputs + (0 if self.returns else self.outputs)
        parameters = ", ".join(f"uint64_t{'' if i < self.inputs else '*'} a{i}" for i in range(count))
        recorder = self.scratch / f"{self.name}_recorder.cpp"
        recorder.write_text(RECORDER.format(
            result="uint64_t" if self.returns else "void", top=self.name, parameters=parameters,
            inputs=", ".join(f"a{i}" for i in range(self.inputs)), arguments=", ".join(f"a{i}" for i in range(count))))
        library, program = self.scratch / f"lib{self.name}_check.so", self.scratch / f"{self.name}_recorder"
        run([self.gcc, *check.COMMON, "-O1", "-w", "-shared", "-fPIC", "-Dmain=stage_self_check", self.source, "-o",
             library], self.scratch)
        run([self.gcc, *check.COMMON, "-O1", "-w", recorder, library, "-ldl", f"-Wl,-rpath,{self.scratch}", "-o", program],
            self.scratch)
        words = [int(word, 16) for word in re.findall(r"^in (\w{16})$", run([program], self.scratch), re.M)]
        if not words:
            raise Mismatch(f"the self-check of {self.name} never calls it")
        return [words[i:i + self.inputs] for i in range(0, len(words), self.inputs)]


def bordering(draw: random.Random) -> int:
    """A word whose fields are near the ends of their range."""
    word = 0
    for at in range(0, 64, 16):
        word |= draw.choice((0, 0, 1, 2, 0x7fff, 0x8000, 0xfffe, 0xffff, draw.getrandbits(16))) << at
    return word


def vectors(known: list, count: int, seed: int) -> list:
    draw = random.Random(seed)
    result = list(known)
    for _ in range(count // 3):
        changed = list(draw.choice(known))
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(changed))
            changed[at] = draw.choice((changed[at] ^ 1 << draw.randrange(64), bordering(draw),
                                       changed[at] + draw.randint(-3, 3) & 2**64 - 1))
        result.append(changed)
        result.append([bordering(draw) for _ in changed])
        result.append([draw.getrandbits(64) for _ in changed])
    return result


def simulate(text: str, depth: int, native: Native, given: list, scratch: pathlib.Path) -> int:
    """How many words were checked; Mismatch says which were wrong."""
    expected = [native(words) for words in given]
    (scratch / "given.hex").write_text("".join(f"{w:016x}\n" for words in given for w in words))
    (scratch / "expected.hex").write_text("".join(f"{w:016x}\n" for words in expected for w in words))
    names = [*(f"in{i}" for i in range(native.inputs)), *(f"out{i}" for i in range(native.outputs))]
    bench = scratch / f"{native.name}_bench.v"
    bench.write_text(BENCH.format(
        top=native.name, given=len(given) * native.inputs - 1, expected=len(given) * native.outputs - 1,
        wires="\n".join(f"  {'reg' if n[0] == 'i' else 'wire'} [63:0] {n};" for n in names),
        ports=", ".join(f".{n}({n})" for n in names), outputs=native.outputs, vectors=len(given), depth=depth,
        steps=len(given) + depth,
        holds="\n".join(f"        hold(step - {depth}, {i}, out{i});" for i in range(native.outputs)),
        feeds="\n".join(f"        in{i} = given[step * {native.inputs} + {i}];" for i in range(native.inputs))))
    design = scratch / f"{native.name}.v"
    design.write_text(text)
    run(["iverilog", "-g2005", "-o", f"{native.name}.vvp", bench, design], scratch)
    printed = run(["vvp", "-n", f"{native.name}.vvp"], scratch)
    wanted = len(given) * native.outputs
    if f"checked {wanted} words, 0 wrong" not in printed:
        raise Mismatch(printed.strip()[-1500:])
    return wanted
