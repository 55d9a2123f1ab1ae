"""Sixteen numbers at a time: a formula written once runs as SIMD code when compiled, and on NumPy arrays when not.

Left to itself, the compiler uses half of what a modern core has, and gives up where bytes and floats meet in one loop.
A formula takes its namespace first, as in the array API: `xp` is NumPy, or a `Namespace` whose values are `Lanes`.
"""

import math
from dataclasses import dataclass
from typing import Any

from llvmlite import ir
from numba.core import cgutils

LANES = 16
"""Numbers handled at once: one AVX-512 register of float32, two of AVX2, four of NEON."""

FLOATS = ir.VectorType(ir.FloatType(), LANES)
INTS = ir.VectorType(ir.IntType(32), LANES)
BYTES = ir.VectorType(ir.IntType(8), LANES)
DOUBLES = ir.VectorType(ir.DoubleType(), LANES)
LONGS = ir.VectorType(ir.IntType(64), LANES)

_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD  # of the float64 nearest to sqrt(1/2)
_MANTISSA, _SHORT_MANTISSA = 52, 23  # bits of a float64 and of a float32 below its exponent
_NOTHING = -60  # 2^-60 is black in any eight bits


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

    def __truediv__(self, other: Any) -> "Lanes":
        return self._with(self.builder.fdiv(self.value, self.of(other)))

    def __lt__(self, other: Any) -> "Lanes":
        return self._with(self.builder.fcmp_ordered("<", self.value, self.of(other)))

    def __ge__(self, other: Any) -> "Lanes":
        return self._with(self.builder.fcmp_ordered(">=", self.value, self.of(other)))

    def __eq__(self, other: Any) -> "Lanes":  # type: ignore[override]  # lanes answer for each lane
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


def alternating(builder: Any, even: Lanes, odd: Lanes) -> Any:
    """The LLVM vector of 32 float32 with those of two at even and at odd places."""
    places = [place // 2 + LANES * (place % 2) for place in range(2 * LANES)]
    order = ir.Constant(ir.VectorType(ir.IntType(32), 2 * LANES), places)
    return builder.shuffle_vector(even.value, odd.value, order)


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
    """One number in all lanes."""
    empty = ir.Constant(ir.VectorType(number.type, LANES), ir.Undefined)
    first = builder.insert_element(empty, number, ir.Constant(ir.IntType(32), 0))
    return Lanes(builder, builder.shuffle_vector(first, empty, ir.Constant(INTS, [0] * LANES)))


def power(base: Lanes, exponent: Lanes, log_scale: Lanes) -> Lanes:
    """min(scale x^exponent, 1) in float32 for float64 x in [0, 1]: 2^(log2 scale + exponent log2 x), by two series.

    LLVM has no vector of powers, and one power after the other takes ten times as long.
    """
    builder = base.builder
    # x = m 2^whole with m in [sqrt(1/2), sqrt(2)), from the bits of x.
    bits = builder.bitcast(base.value, LONGS)
    whole = builder.ashr(builder.sub(bits, _longs(_SQRT_HALF_BITS)), _longs(_MANTISSA))
    m = builder.bitcast(builder.sub(bits, builder.shl(whole, _longs(_MANTISSA))), DOUBLES)
    never = ir.Constant(FLOATS, [float("-inf")] * LANES)
    above = builder.fcmp_ordered(">", base.value, ir.Constant(DOUBLES, [0.0] * LANES))
    exact = builder.select(above, builder.sitofp(builder.trunc(whole, INTS), FLOATS), never)
    # log2(m) = sum of 2 / ((2k + 1) ln 2) w^(2k+1) with w = (m - 1) / (m + 1); |w| < 0.172: five terms leave 1e-9.
    near_one = Lanes(builder, builder.fptrunc(m, FLOATS))
    w = (near_one - 1) / (near_one + 1)
    log = Lanes(builder, exact) + w * _polynomial(w * w, [2 / (2 * k + 1) / math.log(2) for k in range(5)])
    xp = Namespace(builder)
    log = xp.minimum(xp.maximum(log_scale + exponent * log, _NOTHING), 0)
    # 2^u = sum of (u ln 2)^k / k!; |u| <= 1/2: seven terms leave 2e-7, a tenth of a thousandth of a level.
    nearest = builder.fptosi((log - 0.5).value, INTS)  # towards zero, so the nearest: log is not positive
    u = log - Lanes(builder, builder.sitofp(nearest, FLOATS))
    part = _polynomial(u, [math.log(2) ** k / math.factorial(k) for k in range(7)])
    shifted = builder.shl(nearest, ir.Constant(INTS, [_SHORT_MANTISSA] * LANES))
    result = builder.add(builder.bitcast(part.value, INTS), shifted)
    return Lanes(builder, builder.bitcast(result, FLOATS))


def _polynomial(x: Lanes, coefficients: list[float]) -> Lanes:
    """By Horner's rule; the constant term first."""
    *rest, last = coefficients
    result = x * last
    for coefficient in reversed(rest[1:]):
        result = x * (result + coefficient)
    return result + rest[0]


def _longs(number: int) -> Any:
    return ir.Constant(LONGS, [number] * LANES)


def every_second(builder: Any, pointer: Any, index: Any) -> tuple[Lanes, Lanes]:
    """Of 32 float32 in a row, those at even and those at odd places."""
    both = load(builder, pointer, index, ir.VectorType(ir.FloatType(), 2 * LANES))
    empty = ir.Constant(both.type, ir.Undefined)
    even, odd = (
        builder.shuffle_vector(both, empty, ir.Constant(INTS, [2 * place + start for place in range(LANES)]))
        for start in (0, 1)
    )
    return Lanes(builder, even), Lanes(builder, odd)


def reversed_pixels(builder: Any, pointer: Any, index: Any) -> Any:
    """The LLVM vector of sixteen pixels RGBRGB..., the last one first."""
    kind = ir.VectorType(ir.IntType(8), 3 * LANES)
    pixels = load(builder, pointer, index, kind)
    places = [3 * (LANES - 1 - pixel) + channel for pixel in range(LANES) for channel in range(3)]
    order = ir.Constant(ir.VectorType(ir.IntType(32), 3 * LANES), places)
    return builder.shuffle_vector(pixels, ir.Constant(kind, ir.Undefined), order)
