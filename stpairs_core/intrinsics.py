"""Machine operations that Numba has no word for: each a few lines of LLVM, with a plain twin for uncompiled runs."""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from stpairs_core.jit import compiled

_LOW = 0xFFFFFFFF
_INT64, _INT128 = ir.IntType(64), ir.IntType(128)


def or_plain(plain: Callable[..., Any]) -> Callable[[Callable[..., Any]], Any]:
    """The operation that it decorates; `plain` where kernels are not compiled."""
    return lambda definition: intrinsic(definition) if compiled() else plain


def multiply_plainly(a: Any, b: Any) -> tuple[Any, Any]:
    """`multiply` in halves, so that nothing overflows: plain Python would warn."""
    low, half = type(a)(_LOW), type(a)(32)
    a0, a1, b0, b1 = a & low, a >> half, b & low, b >> half
    lowest, left, right = a0 * b0, a0 * b1, a1 * b0
    middle = (lowest >> half) + (left & low) + (right & low)
    return a1 * b1 + (left >> half) + (right >> half) + (middle >> half), ((middle & low) << half) | (lowest & low)


@or_plain(multiply_plainly)
def multiply(typing: Any, a: Any, b: Any) -> Any:
    """(high, low): the 128 bits of the product of two uint64, as two uint64."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        product = builder.mul(*(builder.zext(argument, _INT128) for argument in arguments))
        high = builder.trunc(builder.lshr(product, ir.Constant(_INT128, 64)), _INT64)
        return context.make_tuple(builder, signature.return_type, (high, builder.trunc(product, _INT64)))

    return types.Tuple((types.uint64, types.uint64))(types.uint64, types.uint64), emit
