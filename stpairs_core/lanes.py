"""Sixteen numbers at a time: a formula written once runs as SIMD code when compiled, and on NumPy arrays when not.

Left to itself, the compiler uses half of what a modern core has, and gives up where bytes and floats meet in one loop.
A formula takes its namespace first, as in the array API: `xp` is NumPy, or a `Namespace` whose values are `Lanes`.
"""

from dataclasses import dataclass
from typing import Any

from llvmlite import ir
from numba.core import cgutils

LANES = 16
"""Numbers handled at once: one AVX-512 register of float32, two of AVX2, four of NEON."""

FLOATS = ir.VectorType(ir.FloatType(), LANES)
INTS = ir.VectorType(ir.IntType(32), LANES)
BYTES = ir.VectorType(ir.IntType(8), LANES)


@dataclass(frozen=True, slots=True, eq=False)
class Lanes:
    """Sixteen float32, or sixteen answers of a comparison, as LLVM values."""

    builder: Any
    value: Any

    def __add__(self, other: Any) -> "Lanes":
        return self._with(self.builder.fadd(self.value, self.of(other)))

    def __sub__(self, other: Any) -> "Lanes":
        return self._with(self.builder.fsub(self.value, self.of(other)))

    def __mul__(self, other: Any) -> "Lanes":
        return self._with(self.builder.fmul(self.value, self.of(other)))

    def __lt__(self, other: Any) -> "Lanes":
        return self._with(self.builder.fcmp_ordered("<", self.value, self.of(other)))

    def __ge__(self, other: Any) -> "Lanes":
        return self._with(self.builder.fcmp_ordered(">=", self.value, self.of(other)))

    def __eq__(self, other: Any) -> "Lanes":  # type: ignore[override]
        return self._with(self.builder.fcmp_ordered("==", self.value, self.of(other)))

    def of(self, other: Any) -> Any:
        """The LLVM value of other lanes, or of one number in all lanes."""
        return other.value if isinstance(other, Lanes) else ir.Constant(FLOATS, [float(other)] * LANES)

    def _with(self, value: Any) -> "Lanes":
        return Lanes(self.builder, value)


@dataclass(frozen=True, slots=True)
class Namespace:
    """What a formula asks of its namespace, for lanes: the functions of NumPy of the same names."""

    builder: Any

    def where(self, condition: Lanes, a: Lanes, b: Lanes) -> Lanes:
        """`a` where the condition holds, else `b`."""
        return Lanes(self.builder, self.builder.select(condition.value, a.value, b.value))

    def maximum(self, a: Lanes, b: Any) -> Lanes:
        """The larger of two, for numbers that are not NaN."""
        return self._chosen(">", a, b)

    def minimum(self, a: Lanes, b: Any) -> Lanes:
        """The smaller of two, for numbers that are not NaN."""
        return self._chosen("<", a, b)

    def absolute(self, a: Lanes) -> Lanes:
        """Without the sign."""
        kind = ir.FunctionType(FLOATS, [FLOATS])
        function = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.fabs.v{LANES}f32")
        return Lanes(self.builder, self.builder.call(function, [a.value]))

    def _chosen(self, order: str, a: Lanes, b: Any) -> Lanes:
        other = a.of(b)
        chosen = self.builder.select(self.builder.fcmp_ordered(order, a.value, other), a.value, other)
        return Lanes(self.builder, chosen)


def load(builder: Any, pointer: Any, index: Any, kind: Any) -> Any:
    """The LLVM vector of a kind that begins at an element of an array's data."""
    value = builder.load(builder.bitcast(builder.gep(pointer, [index]), kind.as_pointer()))
    value.align = 1
    return value


def store(builder: Any, value: Any, pointer: Any, index: Any) -> None:
    """Put an LLVM vector where an element of an array's data begins."""
    builder.store(value, builder.bitcast(builder.gep(pointer, [index]), value.type.as_pointer())).align = 1


def floats_of_bytes(builder: Any, value: Any) -> Lanes:
    """Bytes as float32."""
    return Lanes(builder, builder.sitofp(builder.zext(value, INTS), FLOATS))


def bytes_of_floats(lanes: Lanes) -> Any:
    """Floats from 0 to 255 as bytes, cut off towards zero."""
    return lanes.builder.trunc(lanes.builder.fptosi(lanes.value, INTS), BYTES)


def spread(builder: Any, number: Any) -> Lanes:
    """One float32 in all lanes."""
    empty = ir.Constant(FLOATS, ir.Undefined)
    first = builder.insert_element(empty, number, ir.Constant(ir.IntType(32), 0))
    return Lanes(builder, builder.shuffle_vector(first, empty, ir.Constant(INTS, [0] * LANES)))


def every_second(builder: Any, pointer: Any, index: Any) -> tuple[Lanes, Lanes]:
    """Of 32 float32 in a row, those at even and those at odd places."""
    both = load(builder, pointer, index, ir.VectorType(ir.FloatType(), 2 * LANES))
    empty = ir.Constant(both.type, ir.Undefined)
    even, odd = (ir.Constant(INTS, [2 * place + start for place in range(LANES)]) for start in (0, 1))
    return tuple(Lanes(builder, builder.shuffle_vector(both, empty, places)) for places in (even, odd))  # type: ignore[return-value]
