# SPDX-License-Identifier: Apache-2.0
"""Masks and scores that you write as Python functions, for attnrt.attention(flex=...); docs/flex.md is their meaning.

    documents = flex.Buffer("doc", ids)                      # int32 [tokens]
    mine = flex.Flex(mask=lambda b, h, q, kv: (documents[q] == documents[kv]) & (kv <= q))
    out = attnrt.attention(q, k, v, flex=mine)

A function is called once, with values that stand for the request, the query head and the positions; what it does with
them becomes a program. So `&`, `|` and `~` stand for and, or and not, flex.where for a choice, and `if`, `and`, `or`
over such a value raise an error.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional, Tuple, Union

from attnrt._attnrt import Program, describe
from attnrt.errors import InvalidError

__all__ = ["Buffer", "Flex", "Value", "apply", "where"]

_DTYPES = {"int32": "i32", "fp32": "f32", "fp16": "fp16", "bf16": "bf16", "bool": "bool"}
_FUNCTIONS = ("abs", "exp", "exp2", "log", "log2", "sqrt", "rsqrt", "tanh", "sin", "cos", "floor", "ceil", "min", "max")


class Value:
    """Something that a program computes. The operators are Python's; `/` divides numbers, `//` and `%` round down."""

    __hash__ = None  # type: ignore[assignment]
    __array_ufunc__ = None  # numpy's numbers leave the operators to this class

    def __init__(self, text: str, buffers: Optional[Dict[str, Buffer]] = None, is_bool: bool = False) -> None:
        self._text, self._buffers, self._is_bool = text, buffers or {}, is_bool

    def __repr__(self) -> str:
        return f"attnrt.flex.Value({self._text})"

    def __bool__(self) -> bool:
        raise InvalidError(
            f"'{self._text}' is not known while the function is traced, wanted &, | and ~ in place of and, or and not, "
            "flex.where in place of if"
        )

    def _pair(self, sign: str, other: Any, turned: bool = False, is_bool: Optional[bool] = None) -> Value:
        other = _value(other)
        left, right = (other, self) if turned else (self, other)
        both = left._is_bool and right._is_bool
        return Value(
            f"({left._text} {sign} {right._text})", _together(left, right), both if is_bool is None else is_bool
        )

    def __add__(self, other: Any) -> Value:
        return self._pair("+", other)

    def __radd__(self, other: Any) -> Value:
        return self._pair("+", other, True)

    def __sub__(self, other: Any) -> Value:
        return self._pair("-", other)

    def __rsub__(self, other: Any) -> Value:
        return self._pair("-", other, True)

    def __mul__(self, other: Any) -> Value:
        return self._pair("*", other)

    def __rmul__(self, other: Any) -> Value:
        return self._pair("*", other, True)

    def __truediv__(self, other: Any) -> Value:
        return self._pair("/", other)

    def __rtruediv__(self, other: Any) -> Value:
        return self._pair("/", other, True)

    def __floordiv__(self, other: Any) -> Value:
        return self._pair("//", other)

    def __rfloordiv__(self, other: Any) -> Value:
        return self._pair("//", other, True)

    def __mod__(self, other: Any) -> Value:
        return self._pair("%", other)

    def __rmod__(self, other: Any) -> Value:
        return self._pair("%", other, True)

    def __lshift__(self, other: Any) -> Value:
        return self._pair("<<", other)

    def __rshift__(self, other: Any) -> Value:
        return self._pair(">>", other)

    def __and__(self, other: Any) -> Value:
        return self._pair("&", other)

    def __rand__(self, other: Any) -> Value:
        return self._pair("&", other, True)

    def __or__(self, other: Any) -> Value:
        return self._pair("|", other)

    def __ror__(self, other: Any) -> Value:
        return self._pair("|", other, True)

    def __xor__(self, other: Any) -> Value:
        return self._pair("^", other)

    def __rxor__(self, other: Any) -> Value:
        return self._pair("^", other, True)

    def __lt__(self, other: Any) -> Value:
        return self._pair("<", other, is_bool=True)

    def __le__(self, other: Any) -> Value:
        return self._pair("<=", other, is_bool=True)

    def __gt__(self, other: Any) -> Value:
        return self._pair(">", other, is_bool=True)

    def __ge__(self, other: Any) -> Value:
        return self._pair(">=", other, is_bool=True)

    def __eq__(self, other: Any) -> Value:  # type: ignore[override]
        return self._pair("==", other, is_bool=True)

    def __ne__(self, other: Any) -> Value:  # type: ignore[override]
        return self._pair("!=", other, is_bool=True)

    def __neg__(self) -> Value:
        return Value(f"(-{self._text})", self._buffers)

    def __invert__(self) -> Value:
        if not self._is_bool:
            raise InvalidError(f"~ is used on the number '{self._text}', wanted a condition")
        return Value(f"(!{self._text})", self._buffers, True)

    def __abs__(self) -> Value:
        return apply("abs", self)


class Buffer:
    """A tensor that a function reads by positions: int32, fp32, fp16, bf16 or bool, of at most 4 dimensions. An index
    outside of it counts as the nearest one inside."""

    def __init__(self, name: str, tensor: Any) -> None:
        shape, dtype = describe(tensor, name)
        if dtype not in _DTYPES or not name.isidentifier():
            raise InvalidError(f"buffer '{name}' is of {dtype}, wanted a name and one of {', '.join(_DTYPES)}")
        self.name, self.tensor, self.ndim = name, tensor, len(shape)
        extents = ", ".join(f"{name}_{place}" for place in range(len(shape)))  # a program for tensors of any length
        self.declaration = f"buffer {name}: {_DTYPES[dtype]}" + (f"[{extents}]" if shape else "")
        self._is_bool = dtype == "bool"

    def __getitem__(self, index: Any) -> Value:
        indices = [_value(i) for i in (index if isinstance(index, tuple) else (index,))]
        if len(indices) != self.ndim:
            raise InvalidError(f"buffer '{self.name}' has {len(indices)} indices, wanted {self.ndim}")
        text = self.name + (f"[{', '.join(i._text for i in indices)}]" if indices else "")
        return Value(text, {**_together(*indices), self.name: self}, self._is_bool)


def apply(function: str, *values: Any) -> Value:
    """min, max, abs, exp, exp2, log, log2, sqrt, rsqrt, tanh, sin, cos, floor, ceil of values."""
    if function not in _FUNCTIONS:
        raise InvalidError(f"the function is '{function}', wanted one of {', '.join(_FUNCTIONS)}")
    given = [_value(value) for value in values]
    return Value(f"{function}({', '.join(v._text for v in given)})", _together(*given))


def where(condition: Any, yes: Any, no: Any) -> Value:
    """`yes` where the condition holds, else `no`."""
    given = [_value(x) for x in (condition, yes, no)]
    text = f"where({', '.join(v._text for v in given)})"
    return Value(text, _together(*given), given[1]._is_bool and given[2]._is_bool)


def _value(x: Union[Value, Buffer, bool, int, float]) -> Value:
    if isinstance(x, Value):
        return x
    if isinstance(x, Buffer):
        return x[()]
    if isinstance(x, bool):
        return Value("true" if x else "false", None, True)
    if hasattr(x, "item"):
        x = x.item()
    if isinstance(x, int):
        return Value(str(x) if x >= 0 else f"({x})")
    if isinstance(x, float):
        text = {"inf": "inf", "-inf": "(-inf)", "nan": "nan"}.get(repr(x), repr(x))
        return Value(text if x >= 0 or x != x or text.startswith("(") else f"({text})")
    raise InvalidError(f"a value of type {type(x).__name__} is used, wanted numbers, flex values or a flex.Buffer")


def _together(*values: Value) -> Dict[str, Buffer]:
    buffers: Dict[str, Buffer] = {}
    for value in values:
        for name, buffer in value._buffers.items():
            if buffers.setdefault(name, buffer) is not buffer:
                raise InvalidError(f"two buffers are called '{name}', wanted a name for each")
    return buffers


class Flex:
    """A program with the tensors that it reads. mask(b, h, q_idx, kv_idx) says whether a query sees a key,
    score(score, b, h, q_idx, kv_idx) what its score becomes; or `program`, the text of one, with its buffers by name.
    """

    text: str
    """The program."""
    buffers: Tuple[Any, ...]
    """Its tensors, in its order."""

    def __init__(
        self,
        mask: Optional[Callable[..., Any]] = None,
        score: Optional[Callable[..., Any]] = None,
        *,
        program: Optional[str] = None,
        buffers: Optional[Dict[str, Any]] = None,
    ) -> None:
        if (program is None) == (mask is None and score is None):
            raise InvalidError(
                "a program and a function are given, or neither, wanted functions or the text of a program"
            )
        named = {name: Buffer(name, tensor) for name, tensor in (buffers or {}).items()}
        lines = [program] if program is not None else []
        places = [Value(name) for name in ("b", "h", "q_idx", "kv_idx")]
        if mask is not None:
            seen = _value(mask(*places))
            lines.append(f"mask: {seen._text}")
            named.update(seen._buffers)
        if score is not None:
            value = _value(score(Value("score"), *places))
            lines.append(f"score: {value._text}")
            named = _together(Value("", named), value)
        lines = [buffer.declaration for buffer in named.values()] + lines
        parsed = Program("\n".join(lines))
        self.text = parsed.text()
        self.buffers = tuple(named[name].tensor for name in parsed.buffers)
