"""Makes a circuit of a top's operations: moved bits become wires, constants fold, bits that reach no output are dropped,
chains of one associative operation become trees, shifts by a value become rows of choices."""
import collections
import heapq

import ir
from circuit import LUT_INPUTS, ONE, ZERO, Circuit, Delays

ASSOCIATIVE = (*ir.BITWISE, "add")


def number(value: int, bits: int) -> list:
    return [value >> i & 1 for i in range(bits)]


def value_of(constants: list) -> int:
    return sum(x << i for i, x in enumerate(constants))


class Lowering:
    def __init__(self, function: ir.Function, delays: Delays):
        self.function = function
        self.circuit = Circuit(delays)
        self.wanted = ir.demanded(function)
        self.values = {name: self.circuit.input() for name in function.inputs}
        self.by_name = {op.name: op for op in function.ops}
        self.uses = collections.Counter(x for op in function.ops for x in op.operands if isinstance(x, str))
        self.uses.update(x for x in function.results.values() if isinstance(x, str))
        self.absorbed = {x for op in function.ops if op.code in ASSOCIATIVE
                         for x in op.operands if self.inside(op, x)}
        for op in function.ops:
            mask = self.wanted.get(op.name, 0)
            if mask and op.name not in self.absorbed:
                bits = self.lower(op, mask)
                assert len(bits) == op.bits, op
                self.values[op.name] = [x if mask >> i & 1 else ZERO for i, x in enumerate(bits)]
        self.outputs = [self.value(function.results[name], 64) for name in function.outputs]

    def inside(self, op: ir.Op, operand) -> bool:
        """Whether an operand is a link of the same chain and used nowhere else."""
        other = self.by_name.get(operand) if isinstance(operand, str) else None
        return other is not None and other.code == op.code and self.uses[operand] == 1

    def value(self, operand, bits: int) -> list:
        return self.values[operand] if isinstance(operand, str) else number(operand, bits)

    def terms(self, op: ir.Op) -> list:
        """Operands of a whole chain, as vectors."""
        found, todo = [], [op]
        while todo:
            for operand in todo.pop().operands:
                if operand in self.absorbed and self.inside(op, operand):
                    todo.append(self.by_name[operand])
                else:
                    found.append(self.value(operand, op.bits))
        return found

    def lower(self, op: ir.Op, mask: int) -> list:
        if op.code in ir.BITWISE:
            columns = zip(*self.terms(op))
            return [self.circuit.many(op.code, column, op.name) if mask >> i & 1 else ZERO
                    for i, column in enumerate(columns)]
        if op.code == "add":
            return self.sum(self.terms(op), mask)
        operands = [self.value(x, op.source_bits or op.bits) for x in op.operands]
        if op.code == "sub":
            return self.add("sub", *operands, mask)
        if op.code == "icmp":
            return [self.compare(op.predicate, *operands, op.name)]
        if op.code == "select":
            (chosen,) = self.value(op.operands[0], 1)
            return self.choose(chosen, *operands[1:], op.name, mask)
        if op.code in ir.WIRES:
            above = operands[0][-1] if op.code == "sext" else ZERO
            return [*operands[0][:op.bits], *[above] * (op.bits - len(operands[0]))]
        if op.code in ir.PERMUTATIONS:
            return [operands[0][i] for i in ir.permuted(op.code, op.bits)]
        if op.code in ir.SHIFTS:
            return self.shift(op, operands[0], self.value(op.operands[1], op.bits), mask)
        if op.code in ir.FUNNELS:
            return self.funnel(op, operands, mask)
        return self.intrinsic(op, operands, mask)

    def choose(self, chosen: int, a: list, b: list, group, mask: int = -1) -> list:
        return [self.circuit.mux(chosen, x, y, group) if mask >> i & 1 else ZERO for i, (x, y) in enumerate(zip(a, b))]

    def sum(self, terms: list, mask: int) -> list:
        heap = [(*self.circuit.ready(x), i, x) for i, x in enumerate(terms)]
        heapq.heapify(heap)
        for i in range(len(terms) - 1):
            a, b = heapq.heappop(heap)[3], heapq.heappop(heap)[3]
            made = self.add("add", a, b, mask)
            heapq.heappush(heap, (*self.circuit.ready(made), len(terms) + i, made))
        return heap[0][3]

    def add(self, kind: str, a: list, b: list, mask: int) -> list:
        """Only as many bits as are wanted; below the lowest bit that can carry, and above the last, are wires."""
        bits, width = len(a), min(len(a), mask.bit_length())
        a, b = a[:width], b[:width]
        low = 0
        while low < width and (b[low] == ZERO or kind == "add" and a[low] == ZERO):
            low += 1
        result = [x if y == ZERO else y for x, y in zip(a[:low], b[:low])]
        high = width
        while kind == "add" and high - 1 > low and a[high - 1] == b[high - 1] == ZERO and a[high - 2] == b[high - 2] == ZERO:
            high -= 1
        a, b = a[low:high], b[low:high]
        if len(a) == 1:
            result.append(self.circuit.xor2(a[0], b[0], ("sum", len(self.circuit.nodes))))
        elif a and max(*a, *b) <= 1:
            total = value_of(a) + (value_of(b) if kind == "add" else -value_of(b))
            result += number(total, len(a))
        elif a:
            result += self.circuit.chain(kind, a, b)
        return result + [ZERO] * (bits - len(result))

    def equal(self, a: list, b: list, group) -> int:
        pairs = {self.circuit.xor2(x, y, (group, "pairs")) ^ 1 for x, y in zip(a, b)}
        return ZERO if ZERO in pairs or any(x ^ 1 in pairs for x in pairs) else \
            self.circuit.many("and", sorted(pairs - {ONE}), group)

    def compare(self, predicate: str, a: list, b: list, group) -> int:
        if predicate in ("eq", "ne"):
            return self.equal(a, b, group) ^ (predicate == "ne")
        if predicate[0] == "s":
            a, b = [*a[:-1], a[-1] ^ 1], [*b[:-1], b[-1] ^ 1]
        if predicate[1:] == "lt":
            return self.less(a, b, group)
        if predicate[1:] == "gt":
            return self.less(b, a, group)
        return self.less(*((b, a) if predicate[1:] == "le" else (a, b)), group) ^ 1

    def less(self, a: list, b: list, group) -> int:
        """a < b, unsigned."""
        while a and a[-1] == b[-1]:
            a, b = a[:-1], b[:-1]
        while a and a[0] == b[0]:
            a, b = a[1:], b[1:]
        if not a:
            return ZERO
        if all(x <= 1 for x in a):  # a constant below b: not b < a + 1
            value = value_of(a) + 1
            return ZERO if value >> len(a) else self.below(b, value, group) ^ 1
        if all(x <= 1 for x in b):
            return self.below(a, value_of(b), group)
        return self.carried(a, b)

    def below(self, a: list, limit: int, group) -> int:
        """a < limit, a constant: what is below the limit's lowest 1 does not matter."""
        if limit == 0:
            return ZERO
        while limit & 1 == 0:
            a, limit = a[1:], limit >> 1
        if limit == 1:
            return self.circuit.many("or", sorted(set(a)), group) ^ 1
        return self.carried(a, number(limit, len(a)))

    def carried(self, a: list, b: list) -> int:
        if max(*a, *b) <= 1:
            return int(value_of(a) < value_of(b))
        if len({x >> 1 for x in (*a, *b) if x > 1}) <= LUT_INPUTS:
            return self.circuit.small_lt(a, b)
        return self.circuit.chain("lt", a, b)[0]

    def shift(self, op: ir.Op, a: list, by: list, mask: int) -> list:
        """By a value: a row of choices for each bit of it; amounts from the width on have no meaning in the IR."""
        fill = a[-1] if op.code == "ashr" else ZERO
        for k in range((op.bits - 1).bit_length()):
            step = 1 << k
            moved = [*[fill] * step, *a[:-step]] if op.code == "shl" else [*a[step:], *[fill] * step]
            a = self.choose(by[k], moved, a, (op.name, k))
        return [x if mask >> i & 1 else ZERO for i, x in enumerate(a)]

    def funnel(self, op: ir.Op, operands: list, mask: int) -> list:
        high, low, by = operands
        both = [*low, *high]
        if op.code == "fshr":
            start, steps = 0, [(k, 1 << k) for k in range((op.bits - 1).bit_length())]
        else:  # left by n is right by width - n
            start, steps = op.bits, [(k, -(1 << k)) for k in range((op.bits - 1).bit_length())]
        if all(x <= 1 for x in by):
            amount = value_of(by) % op.bits
            start += amount if op.code == "fshr" else -amount
            return both[start:start + op.bits]
        for k, step in steps:
            both = self.choose(by[k], [both[i + step] if 0 <= i + step < len(both) else ZERO for i in range(len(both))],
                               both, (op.name, k))
        return both[start:start + op.bits]

    def intrinsic(self, op: ir.Op, operands: list, mask: int) -> list:
        a, b = operands[0], operands[-1]
        if op.code in ir.LIMITS:
            first = self.compare(f"{op.code[0]}{'lt' if op.code.endswith('min') else 'gt'}", a, b, (op.name, "limit"))
            return self.choose(first, a, b, op.name, mask)
        if op.code == "usub.sat":
            return self.choose(self.compare("ult", a, b, (op.name, "limit")), number(0, op.bits),
                               self.add("sub", a, b, -1 & ir.ones(op.bits)), op.name, mask)
        if op.code == "uadd.sat":
            *total, over = self.add("add", [*a, ZERO], [*b, ZERO], ir.ones(op.bits + 1))
            return self.choose(over, number(ir.ones(op.bits), op.bits), total, op.name, mask)
        if op.code == "abs":
            return self.choose(a[-1], self.add("sub", number(0, op.bits), a, ir.ones(op.bits)), a, op.name, mask)
        if op.code == "ctpop":
            return self.sum([[x, *number(0, op.bits - 1)] for x in a], ir.ones(op.bits))
        return self.zeros(a if op.code == "cttz" else a[::-1], op)

    def zeros(self, a: list, op: ir.Op) -> list:
        """How many zeros come before the first one; the width if there is none."""
        result = number(op.bits, op.bits)
        for i in range(op.bits - 1, -1, -1):
            result = self.choose(a[i], number(i, op.bits), result, (op.name, i))
        return result
