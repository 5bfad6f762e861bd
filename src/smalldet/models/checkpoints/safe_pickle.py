"""A pickle read as data: no class is looked up, and nothing that it names is ever called.

Trained weights often come as pickles of whole Python objects. Here each object becomes a `Record`
of its class's name and what was stored with it, whether that class is installed or not. Of what a
pickle can call, only dict, set and bytes are made, by code of our own.
"""

from __future__ import annotations

import mmap
import pickletools
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, cast

from smalldet.models.checkpoints.pickle_values import (
    MADE,
    PERSISTENT,
    Name,
    Record,
    as_kind,
    checked_key,
    made_dict,
    made_set,
)

VALUES = (
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING "
    "BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8"
)
PUSHED = frozenset(VALUES.split())
"""Opcodes whose argument is the value."""
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


class _Mark:
    """Stands on the stack where the items of a list, tuple or dict begin."""


def read_pickle(path: Path, known: Sequence[str]) -> Any:
    """The content of a file that is one pickle; see `load_pickle`."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: the file is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return load_pickle(cast("IO[bytes]", content), str(path), known)


def load_pickle(
    file: IO[bytes],
    where: str,
    known: Sequence[str],
    on_persistent: Callable[[Record], Any] | None = None,
) -> Any:
    """One pickle as plain values, dicts, lists, tuples, sets, and `Record`s.

    Args:
        file: stands at the first byte of the pickle, and is left behind its last. It must give no
            more than it has when asked for too much without taking memory for it, as `BytesIO` and
            `mmap` do.
        where: name of the file, for messages.
        known: prefixes of the names that may occur, such as `torch.`.
        on_persistent: gives what stands for a record of what lies outside the pickle; default:
            the record.

    Raises:
        ValueError: it names what is not known, or it is damaged; nothing of it was run.
    """
    machine = _Machine(where, tuple(known), on_persistent or (lambda record: record))
    position = 0
    try:
        for opcode, argument, at in pickletools.genops(file):
            position = at or 0
            machine.step(opcode.name, argument)
    except _RefusedError as refusal:
        raise ValueError(str(refusal)) from None
    except (LookupError, TypeError, ValueError, ArithmeticError, struct.error) as error:
        raise ValueError(f"{where}: damaged pickle near byte {position}: {error}") from error
    return machine.result()


class _RefusedError(Exception):
    """The pickle is sound and asks for what it must not."""


class _Machine:
    """The stack machine that a pickle is a program of, without its means to call."""

    def __init__(
        self, where: str, known: tuple[str, ...], on_persistent: Callable[[Record], Any]
    ) -> None:
        self.where, self.known, self.on_persistent = where, known, on_persistent
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def result(self) -> Any:
        if len(self.stack) != 1:
            raise ValueError(f"{self.where}: damaged pickle: {len(self.stack)} values are left")
        return self.stack[0]

    def step(self, opcode: str, argument: Any) -> None:
        if opcode in PUSHED:
            self.stack.append(argument)
        elif opcode in CONSTANTS:
            self.stack.append(CONSTANTS[opcode])
        elif opcode in STEPS:
            STEPS[opcode](self, argument)
        elif opcode not in ("PROTO", "FRAME", "STOP"):
            raise _RefusedError(f"{self.where}: pickle opcode {opcode} is not supported")

    def items(self) -> list[Any]:
        """What lies above the topmost mark, taken off the stack together with it."""
        for place in range(len(self.stack) - 1, -1, -1):
            if isinstance(self.stack[place], _Mark):
                taken = self.stack[place + 1 :]
                del self.stack[place:]
                return taken
        raise ValueError("no mark on the stack")

    def remember(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    def recall(self, place: int) -> None:
        self.stack.append(self.memo[place])

    def append(self, values: list[Any]) -> None:
        as_kind(list, self.stack[-1]).extend(values)

    def set_items(self, flat: list[Any]) -> None:
        target = as_kind(dict, self.stack[-1])
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            target[checked_key(key)] = value

    def name(self, module: str, name: str) -> None:
        full = f"{module}.{name}".replace("__builtin__.", "builtins.", 1)
        if full not in MADE and not full.startswith(self.known):
            raise _RefusedError(
                f"{self.where}: asks for {full}, which a file of trained weights has no need of; "
                "refused, nothing in it was run"
            )
        self.stack.append(Name(full))

    def make(self, args: Any, maker: Any) -> None:
        """What a call would have given: a record, or one of the plain values of `MADE`."""
        name, args = as_kind(Name, maker).name, as_kind(tuple, args)
        self.stack.append(MADE[name](*args) if name in MADE else Record(name, args))

    def lie_outside(self, args: tuple[Any, ...]) -> None:
        self.stack.append(self.on_persistent(Record(PERSISTENT, args)))

    def build(self, state: Any) -> None:
        """Attributes of an object; those of a dict's or list's subclass are of no use to us."""
        if isinstance(self.stack[-1], Record):
            self.stack[-1].state = state


def _pushed(items: Callable[[_Machine], Any]) -> Callable[[_Machine, Any], None]:
    """A step that puts on the stack what is made of its top."""
    return lambda m, _: m.stack.append(items(m))


def _top(m: _Machine, count: int) -> tuple[Any, ...]:
    """The topmost values, taken off the stack."""
    if len(m.stack) < count:
        raise IndexError("the stack is empty")
    taken = tuple(m.stack[len(m.stack) - count :])
    del m.stack[len(m.stack) - count :]
    return taken


def _make_of_top(m: _Machine, _: Any) -> None:
    maker, args = _top(m, 2)
    m.make(args, maker)


def _make_with_keywords(m: _Machine, _: Any) -> None:
    maker, args, _keywords = _top(m, 3)
    m.make(args, maker)


def _name_of_top(m: _Machine, _: Any) -> None:
    module, name = _top(m, 2)
    m.name(as_kind(str, module), as_kind(str, name))


def _set_item(m: _Machine, _: Any) -> None:
    m.set_items(list(_top(m, 2)))


STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": lambda m, _: m.stack.append(_Mark()),
    "POP": lambda m, _: m.stack.pop(),
    "POP_MARK": lambda m, _: m.items().clear(),
    "DUP": lambda m, _: m.stack.append(m.stack[-1]),
    "EMPTY_LIST": _pushed(lambda m: []),
    "LIST": _pushed(lambda m: m.items()),
    "APPEND": lambda m, _: m.append(list(_top(m, 1))),
    "APPENDS": lambda m, _: m.append(m.items()),
    "EMPTY_TUPLE": _pushed(lambda m: ()),
    "TUPLE": _pushed(lambda m: tuple(m.items())),
    "TUPLE1": _pushed(lambda m: _top(m, 1)),
    "TUPLE2": _pushed(lambda m: _top(m, 2)),
    "TUPLE3": _pushed(lambda m: _top(m, 3)),
    "EMPTY_DICT": _pushed(lambda m: {}),
    "DICT": _pushed(lambda m: made_dict(list(zip(*[iter(m.items())] * 2, strict=True)))),
    "SETITEM": _set_item,
    "SETITEMS": lambda m, _: m.set_items(m.items()),
    "EMPTY_SET": _pushed(lambda m: set()),
    "FROZENSET": _pushed(lambda m: made_set(m.items())),
    "ADDITEMS": lambda m, _: _add_items(m),
    "GET": lambda m, place: m.recall(place),
    "BINGET": lambda m, place: m.recall(place),
    "LONG_BINGET": lambda m, place: m.recall(place),
    "PUT": lambda m, place: m.remember(place),
    "BINPUT": lambda m, place: m.remember(place),
    "LONG_BINPUT": lambda m, place: m.remember(place),
    "MEMOIZE": lambda m, _: m.remember(len(m.memo)),
    "GLOBAL": lambda m, names: m.name(*names.split(" ", 1)),
    "STACK_GLOBAL": _name_of_top,
    "REDUCE": _make_of_top,
    "NEWOBJ": _make_of_top,
    "NEWOBJ_EX": _make_with_keywords,
    "BUILD": lambda m, _: m.build(*_top(m, 1)),
    "PERSID": lambda m, name: m.lie_outside((name,)),
    "BINPERSID": lambda m, _: m.lie_outside(as_kind(tuple, *_top(m, 1))),
}


def _add_items(m: _Machine) -> None:
    items = m.items()
    as_kind(set, m.stack[-1]).update(checked_key(item) for item in items)
