"""Writes a circuit as a Verilog module: one vector a node, one register a vector and clock cycle that it is kept for."""
from lower import Lowering

OPERATORS = {"and": "&", "or": "|", "xor": "^", "add": "+", "sub": "-"}


class Module:
    """Output words leave a register at the end of the last cycle, so latency is the number of cycles, its depth."""

    def __init__(self, lowering: Lowering):
        self.circuit = lowering.circuit
        self.name = lowering.function.name
        self.inputs = len(lowering.function.inputs)
        self.outputs = lowering.outputs
        self.needed: set = set()  # nodes whose value is used
        self.last: dict = {}  # node: the last cycle in which it is
        self.depth = 1 + max((self.circuit.cycle[x >> 1] for word in self.outputs for x in word), default=0)
        self.find_needed()
        self.text = self.write()

    def find_needed(self) -> None:
        todo = []

        def use(literals, cycle):
            for literal in literals:
                node = self.circuit.place[literal >> 1][0]
                if node is None:
                    continue
                assert self.circuit.cycle[literal >> 1] <= cycle, f"n{node} is used before it is there"
                self.last[node] = max(cycle, self.last.get(node, 0))
                if node not in self.needed:
                    self.needed.add(node)
                    todo.append(node)

        for word in self.outputs:
            use(word, self.depth - 1)
        while todo:
            node = self.circuit.nodes[todo.pop()]
            for vector in node.operands:
                use(vector, node.cycle)

    def label(self, node: int, cycle: int) -> str:
        return f"n{node}_c{cycle}"

    def vector(self, literals: list, cycle: int) -> str:
        """A concatenation of runs of bits of one vector, and of constants, highest first."""
        parts, i = [], 0
        while i < len(literals):
            node, index = self.circuit.place[literals[i] >> 1]
            length = 1
            while i + length < len(literals) and self.follows(literals[i], literals[i + length], length):
                length += 1
            if node is None:
                parts.append(f"{length}'b" + "".join(str(x) for x in reversed(literals[i:i + length])))
            else:
                width = len(self.circuit.nodes[node].bits)
                part = "" if width == 1 else f"[{index}]" if length == 1 else f"[{index + length - 1}:{index}]"
                parts.append("~" * (literals[i] & 1) + self.label(node, cycle) + part)
            i += length
        return parts[0] if len(parts) == 1 else "{" + ", ".join(reversed(parts)) + "}"

    def follows(self, first: int, other: int, by: int) -> bool:
        node, index = self.circuit.place[first >> 1]
        other_node, other_index = self.circuit.place[other >> 1]
        if node is None or other_node is None:
            return node is other_node
        return node == other_node and other_index == index + by and (first ^ other) & 1 == 0

    def expression(self, node) -> str:
        terms = [self.vector(vector, node.cycle) for vector in node.operands]
        if node.kind == "mux":
            chosen, a, b = terms
            if len(node.bits) == 1 or len(set(node.operands[0])) == 1:
                return f"{self.vector(node.operands[0][:1], node.cycle)} ? {a} : {b}"
            return f"({chosen} & {a}) | (~{chosen} & {b})"
        if node.kind in ("lt", "small_lt"):
            return f"{terms[0]} < {terms[1]}"
        return f"{terms[0]} {OPERATORS[node.kind]} {terms[1]}"

    def write(self) -> str:
        ports = [f"input wire [63:0] in{i}" for i in range(self.inputs)]
        ports += [f"output reg [63:0] out{i}" for i in range(len(self.outputs))]
        wires, assigns, clocked = [], [], []
        inputs = 0
        for number, node in enumerate(self.circuit.nodes):
            if node.kind == "input":
                source, inputs = f"in{inputs}", inputs + 1
            elif number in self.needed:
                source = self.expression(node)
            if number not in self.needed:
                continue
            bits = f"[{len(node.bits) - 1}:0] " if len(node.bits) > 1 else ""
            wires.append(f"  wire {bits}{self.label(number, node.cycle)};")
            assigns.append(f"  assign {self.label(number, node.cycle)} = {source};")
            for cycle in range(node.cycle + 1, self.last[number] + 1):
                wires.append(f"  reg {bits}{self.label(number, cycle)};")
                clocked.append(f"    {self.label(number, cycle)} <= {self.label(number, cycle - 1)};")
        for i, word in enumerate(self.outputs):
            clocked.append(f"    out{i} <= {self.vector(word, self.depth - 1)};")
        return "\n".join([f"module {self.name}(", "  input wire clk,", "  " + ",\n  ".join(ports) + ");", *wires, *assigns,
                          "  always @(posedge clk) begin", *clocked, "  end", "endmodule", ""])
