"""Reads the optimized IR of a stage's top: one block of integer operations, as check.py has found it to be."""
import dataclasses
import re

BITWISE = ("and", "or", "xor")
WIRES = ("zext", "sext", "trunc", "freeze")
SHIFTS = ("shl", "lshr", "ashr")
FUNNELS = ("fshl", "fshr")
LIMITS = ("umin", "umax", "smin", "smax")
PERMUTATIONS = ("bswap", "bitreverse")
SATURATING = ("usub.sat", "uadd.sat")
PREDICATES = ("eq", "ne", "ult", "ule", "ugt", "uge", "slt", "sle", "sgt", "sge")


class IrError(ValueError):
    """An IR that this compiler does not take; says the line and why."""


@dataclasses.dataclass
class Op:
    """One instruction. Operands are names of values or numbers; bits is the width of the result."""
    name: str
    code: str
    bits: int
    operands: list
    source_bits: int = 0  # of a conversion or comparison: the width of its operands
    predicate: str = ""


@dataclasses.dataclass
class Function:
    """A top: 64-bit words in, 64-bit words out."""
    name: str
    inputs: list
    outputs: list  # names of pointers, or ["result"]
    ops: list
    results: dict  # output -> operand


def operand(text: str, bits: int):
    text = text.strip()
    if text.startswith("%"):
        return text
    if text in ("undef", "poison", "false"):
        return 0
    if text == "true":
        return 1
    if not re.fullmatch(r"-?\d+", text):
        raise IrError(f"operand {text!r} is no value and no number")
    return int(text) & ((1 << bits) - 1)


def call(name: str, line: str) -> Op:
    found = re.match(r"(?:tail )?call (?:noundef )?i(\d+) @llvm\.([\w.]+)\.i\d+\((.*)\)", line)
    if not found:
        raise IrError(f"a call that is no integer intrinsic: {line}")
    bits, code = int(found.group(1)), found.group(2)
    if code not in (*FUNNELS, *LIMITS, *PERMUTATIONS, *SATURATING, "abs", "ctpop", "ctlz", "cttz"):
        raise IrError(f"intrinsic {code} has no circuit: {line}")
    operands = []
    for argument in found.group(3).split(","):
        kind, value = argument.strip().rsplit(" ", 1)
        operands.append(operand(value, int(re.match(r"i(\d+)", kind).group(1))))
    return Op(name, code, bits, operands)


def instruction(name: str, line: str) -> Op:
    if line.startswith(("call", "tail call")):
        return call(name, line)
    found = re.match(r"(add|sub|and|or|xor|shl|lshr|ashr) (?:nuw |nsw |exact )*i(\d+) (\S+), (\S+)$", line)
    if found:
        bits = int(found.group(2))
        return Op(name, found.group(1), bits, [operand(found.group(i), bits) for i in (3, 4)])
    found = re.match(r"icmp (\w+) i(\d+) (\S+), (\S+)$", line)
    if found and found.group(1) in PREDICATES:
        bits = int(found.group(2))
        return Op(name, "icmp", 1, [operand(found.group(i), bits) for i in (3, 4)], bits, found.group(1))
    found = re.match(r"select i1 (\S+), i(\d+) (\S+), i\d+ (\S+)$", line)
    if found:
        bits = int(found.group(2))
        return Op(name, "select", bits, [operand(found.group(1), 1), *(operand(found.group(i), bits) for i in (3, 4))])
    found = re.match(r"(zext|sext|trunc) i(\d+) (\S+) to i(\d+)$", line)
    if found:
        source = int(found.group(2))
        return Op(name, found.group(1), int(found.group(4)), [operand(found.group(3), source)], source)
    found = re.match(r"freeze i(\d+) (\S+)$", line)
    if found:
        bits = int(found.group(1))
        return Op(name, "freeze", bits, [operand(found.group(2), bits)], bits)
    raise IrError(f"no circuit for: {line}")


def read(text: str, top: str) -> Function:
    """The top of that name in a module's text."""
    found = re.search(rf"^define [^@]*@{top}\((.*?)\)[^\n]*\{{\n(.*?)^\}}", text, re.M | re.S)
    if not found:
        raise IrError(f"no function {top}")
    arguments = re.findall(r"(i64\*|i64|ptr)[^,%]*(%[\w.]+)", found.group(1))
    inputs = [name for kind, name in arguments if kind == "i64"]
    function = Function(top, inputs, [name for kind, name in arguments if kind != "i64"], [], {})
    for line in found.group(2).splitlines():
        line = line.split(", !")[0].split(" #")[0].strip()
        if not line or line.startswith((";", "tail call void @llvm.", "call void @llvm.")):
            continue
        stored = re.match(r"store i64 (\S+), (?:i64\*|ptr) (%[\w.]+)(?:, align \d+)?$", line)
        returned = re.match(r"ret (?:void|i64 (\S+))$", line)
        named = re.match(r"(%[\w.]+) = (.*)$", line)
        if stored and stored.group(2) in function.outputs:
            function.results[stored.group(2)] = operand(stored.group(1), 64)
        elif returned:
            if returned.group(1):
                function.outputs = ["result"]
                function.results["result"] = operand(returned.group(1), 64)
        elif named:
            function.ops.append(instruction(*named.groups()))
        else:
            raise IrError(f"no circuit for: {line}")
    for output in function.outputs:
        if output not in function.results:
            raise IrError(f"{top}: output {output} is never written")
    return function


def ones(bits: int) -> int:
    return (1 << bits) - 1


def permuted(code: str, bits: int) -> list:
    """Where each bit of bswap's or bitreverse's result comes from."""
    if code == "bitreverse":
        return list(range(bits - 1, -1, -1))
    return [bits - 8 - (i & ~7) + (i & 7) for i in range(bits)]


def wanted_of(op: Op, wanted: int) -> list:
    """Of each operand: the bits that the wanted bits of the result depend on."""
    whole = ones(op.bits)
    below = ones(wanted.bit_length())
    known = op.operands[1] if len(op.operands) > 1 and isinstance(op.operands[1], int) else None
    if op.code in BITWISE:
        used = {"and": known, "or": None if known is None else ~known}.get(op.code)
        return [wanted if used is None else wanted & used, wanted]
    if op.code in ("add", "sub"):
        return [below, below]
    if op.code == "select":
        return [1, wanted, wanted]
    if op.code in ("zext", "trunc", "freeze"):
        return [wanted & ones(op.source_bits)]
    if op.code == "sext":
        above = wanted >> op.source_bits != 0
        return [wanted & ones(op.source_bits) | (1 << op.source_bits - 1 if above else 0)]
    if op.code == "shl" and known is not None:
        return [wanted >> known, 0]
    if op.code in ("lshr", "ashr") and known is not None:
        sign = 1 << op.bits - 1 if op.code == "ashr" and wanted >> op.bits - known else 0
        return [wanted << known & whole | sign, 0]
    if op.code in FUNNELS and isinstance(op.operands[2], int):
        left = op.operands[2] % op.bits if op.code == "fshl" else op.bits - op.operands[2] % op.bits
        return [wanted >> left, wanted << op.bits - left & whole, 0]
    if op.code in PERMUTATIONS:
        return [sum(1 << source for i, source in enumerate(permuted(op.code, op.bits)) if wanted >> i & 1)]
    return [ones(op.source_bits or op.bits)] * len(op.operands)


def demanded(function: Function) -> dict:
    """Of each value: a mask of the bits that reach an output."""
    wanted = {value: ones(64) for value in function.results.values() if isinstance(value, str)}
    for op in reversed(function.ops):
        mask = wanted.get(op.name, 0)
        if not mask:
            continue
        for value, part in zip(op.operands, wanted_of(op, mask)):
            if isinstance(value, str):
                wanted[value] = wanted.get(value, 0) | part
    return wanted
