"""Pickled data without `pickle`: a machine for the few operations that plain data need.
No name is ever imported: what a file may name stands in a table, and all else is refused.

A pickle is a program for a machine with a stack. Those of PyTorch's state dicts build dicts, lists,
tuples, numbers and texts, and call a handful of functions, which the caller gives.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from minilstm.checks import shown
from minilstm.exchange.incoming.formats.bounds import Bytes, Refused, check_growth, part


def unpickled(
    data: Bytes,
    at: int,
    allowed: Mapping[str, Callable[..., Any]],
    persistent: Callable[[Any], Any],
    size: int = 0,
) -> tuple[Any, int]:
    """The object that one pickle builds, and where its bytes end.

    Parameters
    ----------
    data, at : the bytes, and where the pickle starts
    allowed : functions by the names under which a file may call them
    persistent : what stands for an object that the file keeps elsewhere, from its description
    size : of the whole file in bytes, which bounds what may grow out of it; 0 is that of `data`

    Examples
    --------
    >>> unpickled(b"\\x80\\x02}X\\x01\\x00\\x00\\x00aK\\x05s.", 0, {}, lambda what: None)
    ({'a': 5}, 13)
    """
    machine = _Machine(data, at, allowed, persistent)
    spent = 0
    while not machine.done:
        spent += 64 if data[machine.at : machine.at + 1] in b"](}qr\x94" else 16
        check_growth(spent // 2, size or len(data), "objects")
        operation = bytes(machine.take(1))
        if operation not in _OPERATIONS:
            raise Refused(
                f"holds the pickle operation {operation!r}, which plain data do not need; save the "
                "state dict alone, with torch.save(model.state_dict(), path)."
            )
        _OPERATIONS[operation](machine)
    return machine.stack.pop(), machine.at


class _Machine:
    def __init__(
        self, data: Bytes, at: int, allowed: Mapping[str, Any], persistent: Callable[[Any], Any]
    ) -> None:
        self.data, self.at, self.allowed, self.persistent = data, at, allowed, persistent
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # stacks under marks
        self.memo: dict[int, Any] = {}
        self.done = False

    def take(self, size: int) -> Bytes:
        taken = part(self.data, self.at, size, "a pickle")
        self.at += size
        return taken

    def whole(self, size: int, signed: bool = False) -> int:
        return int.from_bytes(self.take(size), "little", signed=signed)

    def text(self, size: int, encoding: str = "utf-8") -> str:
        return bytes(self.take(size)).decode(encoding, "surrogatepass")

    def line(self) -> str:
        end = bytes(self.data[self.at : self.at + 400]).find(b"\n")
        if end < 0:
            raise Refused("has a name without an end in a pickle; copy it again.")
        text = self.text(end)
        self.at += 1
        return text

    def since_mark(self) -> list[Any]:
        """Everything above the last mark, which goes with it."""
        found, self.stack = self.stack, self.below.pop()
        return found

    def put(self, items: list[Any]) -> None:
        """Into the dict on the stack: keys and values in turns."""
        target = self.stack[-1]
        # Hashes of deep tuples may take for ever.
        if type(target) is not dict or any(type(k) not in (str, int) for k in items[::2]):
            raise Refused("has keys that are no names in a pickle; save the state dict alone.")
        target.update(zip(items[::2], items[1::2], strict=True))

    def add(self, items: list[Any]) -> None:
        """To the list on the stack."""
        target = self.stack[-1]
        if type(target) is not list:
            raise Refused("adds to what is no list in a pickle; save the state dict alone.")
        target.extend(items)

    def name(self, module: Any, name: Any) -> None:
        full = f"{module}.{name}" if type(module) is type(name) is str else "a strange name"
        if full not in self.allowed:
            raise Refused(
                f"holds {shown(full)[1:-1]}, but only plain arrays are loaded, as other objects "
                "can run code: save the state dict, with torch.save(model.state_dict(), path)."
            )
        self.stack.append(self.allowed[full])

    def call(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if type(arguments) is not tuple or not any(function is f for f in self.allowed.values()):
            raise Refused("calls what is no function in a pickle; save the state dict alone.")
        self.stack.append(function(*arguments))

    def build(self) -> None:
        """The attributes of a dict, as PyTorch's `_metadata`, are not needed."""
        self.stack.pop()
        if type(self.stack[-1]) is not dict:
            raise Refused("sets attributes of what is no dict; save the state dict alone.")

    def swap(self, count: int) -> None:
        """A tuple of the uppermost entries in their place."""
        if len(self.stack) < count:
            raise Refused("has too few entries on the stack of a pickle; copy it again.")
        self.stack[len(self.stack) - count :] = [tuple(self.stack[len(self.stack) - count :])]

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def stop(self) -> None:
        self.done = True

    def protocol(self) -> None:
        if self.whole(1) > 5:
            raise Refused("has a pickle of an unknown protocol; save it with a usual one.")

    def global_name(self) -> None:
        self.name(self.line(), self.line())

    def stacked_name(self) -> None:
        name = self.stack.pop()
        self.name(self.stack.pop(), name)


_Operation = Callable[[_Machine], Any]


def _push(make: Callable[[_Machine], Any]) -> _Operation:
    def operation(m: _Machine) -> None:
        made = make(m)  # first, as it may change which stack is in use
        m.stack.append(made)

    return operation


def _keep(place: Callable[[_Machine], int]) -> _Operation:
    return lambda m: m.memo.__setitem__(place(m), m.stack[-1])


_OPERATIONS: dict[bytes, _Operation] = {
    b"\x80": _Machine.protocol,
    b"\x95": lambda m: m.take(8),  # the size of a frame
    b".": _Machine.stop,
    b"(": _Machine.mark,
    b"0": lambda m: m.stack.pop(),
    b"N": _push(lambda m: None),
    b"\x88": _push(lambda m: True),
    b"\x89": _push(lambda m: False),
    b"K": _push(lambda m: m.whole(1)),
    b"M": _push(lambda m: m.whole(2)),
    b"J": _push(lambda m: m.whole(4, signed=True)),
    b"\x8a": _push(lambda m: m.whole(m.whole(1), signed=True)),
    b"G": _push(lambda m: struct.unpack(">d", m.take(8))[0]),
    b"X": _push(lambda m: m.text(m.whole(4))),
    b"\x8c": _push(lambda m: m.text(m.whole(1))),
    b"T": _push(lambda m: m.text(m.whole(4), "latin-1")),
    b"U": _push(lambda m: m.text(m.whole(1), "latin-1")),
    b"]": _push(lambda m: []),
    b"}": _push(lambda m: {}),
    b")": _push(lambda m: ()),
    b"t": _push(lambda m: tuple(m.since_mark())),
    b"\x85": lambda m: m.swap(1),
    b"\x86": lambda m: m.swap(2),
    b"\x87": lambda m: m.swap(3),
    b"a": lambda m: m.add([m.stack.pop()]),
    b"e": lambda m: m.add(m.since_mark()),
    b"s": lambda m: m.put([m.stack.pop(-2), m.stack.pop()]),
    b"u": lambda m: m.put(m.since_mark()),
    b"h": _push(lambda m: m.memo[m.whole(1)]),
    b"j": _push(lambda m: m.memo[m.whole(4)]),
    b"q": _keep(lambda m: m.whole(1)),
    b"r": _keep(lambda m: m.whole(4)),
    b"\x94": _keep(lambda m: len(m.memo)),
    b"c": _Machine.global_name,
    b"\x93": _Machine.stacked_name,
    b"R": _Machine.call,
    b"\x81": _Machine.call,
    b"b": _Machine.build,
    b"Q": lambda m: m.stack.append(m.persistent(m.stack.pop())),
}
