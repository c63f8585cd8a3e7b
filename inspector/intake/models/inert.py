"""Following a pickle without obeying it: what it would build, with nothing imported and nothing run.

What comes of it are the values of `inert_values`. Weights are found in them, since PyTorch describes
a tensor as a call of one function with a storage and a shape.

This is an interpreter of its own, not a restricted `pickle.Unpickler`: that one hashes whatever a
file puts into a dict (2^60 steps for a tuple of nested pairs), reserves memory for whatever number
a file gives to an entry of its memo, and calls methods of what it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inspector.api import Control
from inspector.intake.models.inert_values import (
    MAX_NAME,
    MAX_NAMES,
    Fetched,
    Followed,
    Made,
    Named,
    NameUse,
)
from inspector.intake.models.pickle_codes import PickleError, instructions

MAX_INSTRUCTIONS = 4_000_000
"""A checkpoint with 100,000 tensors has about two million."""

_CHECK_EVERY = 1 << 16
_SCALARS = (str, int, float, bool, bytes, type(None))


def follow(
    content: bytes | memoryview,
    start: int = 0,
    control: Control | None = None,
    budget: int = MAX_INSTRUCTIONS,
) -> Followed:
    """Follow one pickle up to its end or to the first thing that no reader could follow.

    Parameters
    ----------
    content : bytes
        What holds the pickle; arguments of more than a few KiB stay views of it.
    start : int
        Offset of the pickle.
    control : Control, optional
        Checked now and then.
    budget : int
        Instructions at most.
    """
    machine = _Machine(Followed(), control or Control(), budget)
    try:
        machine.run(content, start)
    except (PickleError, IndexError, KeyError, TypeError, ValueError) as error:
        # IndexError and KeyError: an empty stack, an unknown place in the memo.
        reason = str(error) if isinstance(error, PickleError) else "it contradicts itself"
        machine.followed.defect = f"{reason} (near offset {machine.at:#x})"
    return machine.followed


class _Machine:
    """The stack and the memo of one pickle."""

    def __init__(self, followed: Followed, control: Control, budget: int) -> None:
        self.followed, self.control, self.budget = followed, control, budget
        self.at = self.copied = 0
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.named: dict[tuple[str, str], Named] = {}
        self.does: dict[str, Callable[[Any], None]] = {
            name.removeprefix("_do_").upper(): getattr(self, name)
            for name in dir(type(self))
            if name.startswith("_do_")
        }

    def run(self, content: bytes | memoryview, start: int) -> None:
        does = self.does
        left = self.budget
        for name, argument, self.at in instructions(content, start):
            left -= 1
            if left < 0:
                raise PickleError("more instructions than any model needs")
            if not left % _CHECK_EVERY:
                self.control.check()
            if name in ("NUMBER", "TEXT", "BYTES"):  # most of them; no call for these
                self.stack.append(argument)
            elif name == "STOP":
                self.followed.value = self._pop()
                self.followed.end = self.at + 1
            else:
                does[name](argument)

    # ---- names ----------------------------------------------------------------------------------

    def _name(self, module: str, name: str) -> Named:
        key = (module, name)
        found = self.named.get(key)
        path = f"{module}.{name}"[:MAX_NAME]
        if found is None:
            found = self.named[key] = Named(module, name)
        use = self.followed.names.get(path)
        if use is not None:
            use.count += 1
        elif len(self.followed.names) < MAX_NAMES:
            self.followed.names[path] = NameUse(path, self.at)
        else:
            self.followed.left_out += 1
        return found

    def _do_global(self, names: tuple[str, str]) -> None:
        self.stack.append(self._name(*names))

    def _do_stack_global(self, _: None) -> None:
        name, module = self._pop(), self._pop()
        if type(name) is not str or type(module) is not str:
            # Put together by calls: which one it would be, nobody can tell without running them.
            name, module = "name", "computed"
        self.stack.append(self._name(module, name))

    def _do_extension(self, code: int) -> None:
        self.stack.append(self._name("copyreg.extension", str(code)))

    def _do_persid(self, key: str) -> None:
        self.stack.append(Fetched(key))

    def _do_binpersid(self, _: None) -> None:
        key = self._pop()
        if type(key) is tuple and len(key) == 4 and key[0] == "module" and type(key[1]) is Named:
            # PyTorch before 1.0 kept the text of a module's class beside it.
            self.followed.sources.append(key[1].path)
            self.stack.append(key[1])
        else:
            self.stack.append(Fetched(key))

    # ---- calls ----------------------------------------------------------------------------------

    def _make(self, maker: Any, args: Any, *, called: bool) -> Any:
        arguments = args if type(args) is tuple else (args,)
        if type(maker) is Named:
            use = self.followed.names.get(maker.path[:MAX_NAME])
            if use is not None and called:
                use.calls += 1
            if maker.path == "collections.OrderedDict":
                self._pay_for(arguments[:1])
                return _pairs(arguments)
        else:
            self.followed.indirect += 1
        return Made(maker, arguments)

    def _pay_for(self, copied: tuple[Any, ...]) -> None:
        """Count entries that are copied: one instruction may copy a table of any length again."""
        self.copied += sum(len(part) for part in copied if type(part) in (dict, list, tuple))
        if self.copied > self.budget:
            raise PickleError("more copies of its tables than any model needs")

    def _do_reduce(self, _: None) -> None:
        args, maker = self._pop(), self._pop()
        self.stack.append(self._make(maker, args, called=True))

    def _do_newobj(self, _: None) -> None:
        args, maker = self._pop(), self._pop()
        self.stack.append(self._make(maker, args, called=False))

    def _do_newobj_ex(self, _: None) -> None:
        keywords, args, maker = self._pop(), self._pop(), self._pop()
        made = self._make(maker, args, called=False)
        if type(made) is Made and type(keywords) is dict:
            self._pay_for((keywords,))
            made.items.update(keywords)
        self.stack.append(made)

    def _do_inst(self, names: tuple[str, str]) -> None:
        maker = self._name(*names)
        self.stack.append(self._make(maker, tuple(self._to_mark()), called=True))

    def _do_obj(self, _: None) -> None:
        maker, *args = self._to_mark()
        self.stack.append(self._make(maker, tuple(args), called=True))

    def _do_build(self, _: None) -> None:
        state, target = self._pop(), self.stack[-1]
        if type(target) is Made:
            target.state = state
        # Attributes of a plain dict (the _metadata of a state_dict) are of no use here.

    # ---- values ---------------------------------------------------------------------------------

    def _pop(self) -> Any:
        return self.stack.pop()

    def _to_mark(self) -> list[Any]:
        above, self.stack = self.stack, self.marks.pop()
        return above

    def _do_mark(self, _: None) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def _do_pop(self, _: None) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._to_mark()

    def _do_pop_mark(self, _: None) -> None:
        self._to_mark()

    def _do_dup(self, _: None) -> None:
        self.stack.append(self.stack[-1])

    def _do_get(self, place: int) -> None:
        self.stack.append(self.memo[place])

    def _do_put(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    def _do_memoize(self, _: None) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _do_proto(self, protocol: int) -> None:
        if protocol > 5:
            raise PickleError(f"protocol {protocol} is not known")
        self.followed.protocol = protocol

    def _do_frame(self, _: int) -> None:
        pass  # a hint for reading ahead

    def _do_none(self, _: None) -> None:
        self.stack.append(None)

    def _do_true(self, _: None) -> None:
        self.stack.append(True)

    def _do_false(self, _: None) -> None:
        self.stack.append(False)

    def _do_next_buffer(self, _: None) -> None:
        raise PickleError("it needs buffers that are not in the file")

    def _do_readonly_buffer(self, _: None) -> None:
        pass

    def _do_empty_tuple(self, _: None) -> None:
        self.stack.append(())

    def _do_tuple(self, _: None) -> None:
        values = tuple(self._to_mark())
        self.stack.append(values)

    def _do_tuple1(self, _: None) -> None:
        self._tuple(1)

    def _do_tuple2(self, _: None) -> None:
        self._tuple(2)

    def _do_tuple3(self, _: None) -> None:
        self._tuple(3)

    def _tuple(self, count: int) -> None:
        if len(self.stack) < count:
            raise IndexError
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def _do_empty_list(self, _: None) -> None:
        self.stack.append([])

    def _do_list(self, _: None) -> None:
        values = self._to_mark()
        self.stack.append(values)

    def _do_append(self, _: None) -> None:
        value = self._pop()
        self._extend([value])

    def _do_appends(self, _: None) -> None:
        self._extend(self._to_mark())

    def _do_additems(self, _: None) -> None:
        self._extend(self._to_mark())

    def _do_empty_set(self, _: None) -> None:
        self.stack.append([])  # members of hostile sets are not hashed

    def _do_frozenset(self, _: None) -> None:
        values = self._to_mark()
        self.stack.append(values)

    def _extend(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is list:
            target.extend(values)
        elif type(target) is Made:
            target.members.extend(values)
        else:
            raise TypeError

    def _do_empty_dict(self, _: None) -> None:
        self.stack.append({})

    def _do_dict(self, _: None) -> None:
        values = self._to_mark()
        self.stack.append({})
        self._put(values)

    def _do_setitem(self, _: None) -> None:
        value, key = self._pop(), self._pop()
        self._put([key, value])

    def _do_setitems(self, _: None) -> None:
        self._put(self._to_mark())

    def _put(self, values: list[Any]) -> None:
        if len(values) % 2:
            raise ValueError
        target = self.stack[-1]
        table = target if type(target) is dict else target.items if type(target) is Made else None
        if table is None:
            raise TypeError
        for key, value in zip(values[::2], values[1::2]):
            table[_key(key)] = value


def _key(value: Any) -> Any:
    """Return what stands for a key: itself when hashing it is cheap, else something unequal."""
    return value if type(value) in _SCALARS or type(value) is Named else Made(None, (value,))


def _pairs(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """Build what OrderedDict would of a list of pairs, as Python 2 wrote it."""
    table: dict[Any, Any] = {}
    for pairs in arguments[:1]:
        if type(pairs) is dict:
            table.update(pairs)
        elif type(pairs) in (list, tuple):
            for pair in pairs:
                if type(pair) not in (list, tuple) or len(pair) != 2:
                    raise TypeError
                table[_key(pair[0])] = pair[1]
    return table
