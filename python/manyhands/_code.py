"""How the code of a call, and the values that refer to it, get to the workers.

A `Shipper` serves one call of a pool. `function` serialises the callable, `dumps` an argument that
plain pickle cannot do. Both hand out *blobs*: bytes that the engine gives a number, sends at most
once to each worker, and loads there with `install`, in the order in which they were required.

What can be imported goes by reference. Each global of `__main__` that is needed is a blob of its
own, a *definition*: its name and its value. Definitions refer to each other by name, so a class is
shipped once however many items hold instances of it, `a is b` in the parent stays `a is b` in the
worker, and a definition that did not change is not sent again, which also leaves alone what worker
code did to it. Definitions that need each other in a circle share a blob.

A global that cannot be pickled does no harm as long as the worker binds it itself (an initializer
does) or never reads it; the reason is sent in its place, for the error that reading it would give.

A `Codebook` remembers for a pool what has been serialised; with it an unchanged function costs
about a microsecond (`_stable`).

This module refuses to run on the worker's side; there `_namespace` and `_rebuild` do the work.
"""

from __future__ import annotations

import sys
from _pickle import PickleError, dumps
from functools import partial
from io import BytesIO
from types import FunctionType

from . import _cargo, _interrupts, _namespace, _neighbours, _pickling
from ._codebook import Codebook, Definition, Plan, is_reference, mark_of
from ._globals import Main
from ._native import Collector, begin_anew
from ._order import components
from ._shipping import Binding, Call, CodePickler, ItemPickler
from ._stable import watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from ._reduce import Writable
    from ._stable import Guard

__all__ = ["Codebook", "Shipper", "describe", "is_reference"]

LARGE = 16 * 1024 * 1024
"""Definitions of more bytes than this are worth a warning."""


class Shipper:
    """Serialises the code and the arguments of one call.

    `register(data, name, met)` gives the number of a blob (the same for the same bytes), and keeps
    what was met while it was pickled as long as the blob (see `_handles`); `require(n)` says that
    the items handed out from now on need blob n, and all required before it, loaded in that order
    in their worker. `codebook` is the pool's. `inherited` holds the globals that the
    workers have already because they were forked from this process; they are not sent as long as
    they are the same objects.

    One thread at a time.

    >>> blobs = []
    >>> def register(data, name, met):
    ...     blobs.append(name)
    ...     return len(blobs) - 1
    >>> Shipper(register, lambda number: None).function(len)
    0
    """

    def __init__(
        self,
        register: Callable[[bytes, str, Collector], int],
        require: Callable[[int], None],
        *,
        codebook: Codebook | None = None,
        inherited: Mapping[str, Any] | None = None,
    ) -> None:
        self._register = register
        self._require = require
        self._book = Codebook() if codebook is None else codebook
        self._inherited = {} if inherited is None else inherited
        self._main = Main()
        self._table: dict[type, Any] | None = None
        # Names that this call has shipped; the number is that of a blob of its own, None if the
        # name shares its blob or could not be sent.
        self._shipped: dict[str, int | None] = {}
        # The last callable that has no definition and cannot be imported: a later call will not
        # ask for it by this number again.
        self.root: int | None = None
        self._required: list[int] = []
        # What the workers will import when they load what was serialised.
        self.modules: dict[str, None] = {}
        # Globals that could not be sent, with the reasons.
        self.unsent: dict[str, PickleError] = {}
        # Globals that the workers inherited: their values, and definitions for what these refer to.
        self._assumed: dict[str, Any] = {}
        self._walked: dict[str, Definition] = {}

    def function(self, func: Callable[..., Any]) -> int:
        """The number of the blob whose loading gives `func`; it is required, too.

        Raises `manyhands.errors.PicklingError`, which names what in the function is to blame.
        """
        known = self._book.known(func)
        if known is not None:
            for number in known:
                self._need(number)
            return known[-1]
        fresh = not self._required
        named = self._named(func)
        number = self._root(func) if named is None else named
        if fresh and self._book.is_watched(func):
            self._plan(func)
        return number

    def _named(self, func: Any) -> int | None:
        """Ship a callable that is a global of `__main__`; None if it has no blob of its own."""
        name = self._main.path(func)
        if name is None or "." in name or self._is_inherited(name):
            return None
        self._ship({name: None}, {})
        return self._shipped[name]

    def sent(self) -> list[Any]:
        """The values of the globals that this call has shipped."""
        space = self._main.space
        return [space[name] for name in self._shipped if name not in self.unsent]

    def _plan(self, func: Any) -> None:
        """Remember what this first function of the call needed, if all of that can be watched."""
        bound = {name: self._book.definitions.get(name) for name in self._shipped} | self._walked
        space, name = self._main.space, func.__qualname__
        if is_reference(func):
            space = vars(sys.modules[func.__module__])
        if space.get(name) is not func:
            return
        guards: list[Guard] = []
        values = {**self._assumed, name: func}
        for definition in bound.values():
            if definition is None or definition.guards is None:
                return
            guards += definition.guards
            values[definition.name] = definition.value
        self.root = None
        self._book.plan(func, Plan(space, values, guards, list(self._required)))

    def dumps(self, obj: Any, label: str = "argument") -> bytes:
        """Pickle one argument, requiring first what it needs; an error calls it `label`.

        Raises `manyhands.errors.PicklingError`, which names the offending part of the argument.
        """
        if self._table is None:
            self._table = _pickling.reducers()
        file = BytesIO()
        pickler = ItemPickler(file, self._table, self._main)
        try:
            pickler.dump(obj)
            data = file.getvalue()
        except BaseException as error:  # tried again with all means, then explained
            if _interrupts.passes(error):
                raise
            made: list[ItemPickler] = []
            begin_anew()
            data = _pickling.dump(obj, self._maker(ItemPickler, made), label)
            pickler = made[-1]
        self._mind_neighbours(data)
        self.modules.update(pickler.modules)
        self._ship(pickler.hard, pickler.soft)
        return data

    def _mind_neighbours(self, data: bytes) -> None:
        """Let workers have the key of this program before what may need it."""
        key = _neighbours.authkey() if _neighbours.WORD in data else None
        if key is not None:
            call = dumps(Call(_neighbours.restore_authkey, (key,)), 5)
            self._need(self._register(call, "authkey", Collector()))

    def _maker(self, kind: Any, made: list[Any], *rest: Any) -> _pickling.Maker:
        def make(file: Writable, table: dict[type, Any]) -> Any:
            made.append(kind(file, table, self._main, *rest))
            return made[-1]

        return make

    def _need(self, number: int) -> None:
        if number not in self._required:
            self._required.append(number)
            self._require(number)

    def _root(self, func: Any) -> int:
        """Ship a callable that has no blob of its own."""
        name = describe(func)
        made: list[CodePickler] = []
        with Collector(cargo=True) as met:
            data = _pickling.dump(func, self._maker(CodePickler, made, ()), f"function {name}")
        self._mind_neighbours(data)
        self.modules.update(made[-1].modules)
        self._ship(made[-1].hard, made[-1].soft)
        _warn_if_large(len(data), f"the function {name}, with what it holds,")
        if made[-1].carries_globals:
            number = self._root_number(name, data + self._book.stamp(made[-1].hard), met)
        else:
            # The same bytes refer to other objects once a global that they name has changed.
            data += self._book.stamp(made[-1].hard)
            number = self.root = self._register(_packed(data, met), name, met)
        self._need(number)
        return number

    def _root_number(self, name: str, data: bytes, met: Collector) -> int:
        """Register a function whose loading sets globals of a namespace that is not `__main__`."""
        mark = _cargo.mark(data, met, mark_of)
        known = self._book.roots.get(name)
        if known is None or known[0] != mark:
            number = self._register(_packed(self._book.distinct(data), met), name, met)
            known = self._book.roots[name] = (mark, number)
        return known[1]

    def _is_inherited(self, name: str) -> bool:
        return self._inherited.get(name, _namespace.ABSENT) is self._main.space[name]

    def _ship(self, hard: Iterable[str], soft: Iterable[str]) -> None:
        """Ship globals and what they need, dependencies first. Only `hard` ones must succeed."""
        found: dict[str, Definition] = {}
        missing = [*((name, False) for name in soft), *((name, True) for name in hard)]
        while missing:
            name, held = missing.pop()
            if name in found or name in self._shipped or name in self._assumed:
                continue
            if name in self._main.space:
                definition = self._visit(name, found, held=held)
                sent = name in found
                missing += [(soft, False) for soft in definition.soft]
                missing += [(hard, sent) for hard in definition.hard]
        if found:
            self._spread_failures(found)
            for failure in [found[name].failure for name in hard if name in found]:
                if failure is not None:
                    raise failure
            for group in components({n: [*d.hard, *d.soft] for n, d in found.items()}):
                self._ship_group([found[name] for name in group])
            for definition in found.values():
                definition.release()

    def _visit(self, name: str, found: dict[str, Definition], *, held: bool) -> Definition:
        """Note a global that is needed; the definition tells what it needs itself.

        `held`: something that is sent holds the object, and does not only read the name.
        """
        value, inherited = self._main.space[name], self._is_inherited(name)
        is_code = isinstance(value, (FunctionType, type))
        if not inherited or (held and not is_code):
            definition = self._define(name)
            # Workers that were forked have what cannot be sent, as it was then.
            if not inherited or definition.failure is None:
                found[name] = definition
                return definition
        self._assumed[name] = value
        if not is_code:
            return Definition(name, value)
        # What it reads may have been bound anew since the workers were forked.
        self._walked[name] = self._define(name)
        return self._walked[name]

    def _define(self, name: str) -> Definition:
        """The definition of a global as it is now: the one in the book if that is still right."""
        known = self._book.definitions.get(name)
        if known is not None and known.unchanged(self._main.space):
            return known
        value = self._main.space[name]
        made = Definition(name, value)
        try:
            pickler, data, met = self._pickle_definitions([made])
        except PickleError as error:
            made.failure = error
            return made
        made.hard, made.soft = pickler.hard, pickler.soft
        made.mark = _cargo.mark(data, met, mark_of)
        made.data, made.met = data, met
        made.soft.update(dict.fromkeys(self._main.partners(value)))
        made.guards = watch(name, value, self._main)
        if known is not None and known.mark == made.mark:
            made.number, made.data, made.met = known.number, known.data, known.met
            made.stamp = known.stamp
        self._book.definitions[name] = made
        return made

    def _pickle_definitions(self, group: list[Definition]) -> tuple[CodePickler, bytes, Collector]:
        bindings = [Binding(d.name, d.value) for d in group]
        made: list[CodePickler] = []
        maker = self._maker(CodePickler, made, [d.name for d in group])
        first = group[0]
        title = _title(first.name, first.value)
        whole: Any = bindings if len(group) > 1 else bindings[0]
        with Collector(cargo=True) as met:
            data = _pickling.dump(whole, maker, title, subject=first.value)
        self.modules.update(made[-1].modules)
        return made[-1], data, met

    @staticmethod
    def _spread_failures(found: dict[str, Definition]) -> None:
        """What holds something that cannot be sent cannot be sent either."""
        failed = [name for name, d in found.items() if d.failure is not None]
        while failed:
            bad = failed.pop()
            for name, d in found.items():
                if d.failure is None and bad in d.hard:
                    found[name] = Definition(name, d.value)
                    found[name].failure = found[bad].failure
                    failed.append(name)

    def _ship_group(self, group: list[Definition]) -> None:
        group.sort(key=_load_order)
        if len(group) > 1:
            number = self._group_number(group)
            self._shipped.update(dict.fromkeys([d.name for d in group]))
        elif group[0].failure is not None:
            self._book.definitions.pop(group[0].name, None)
            self.unsent[group[0].name] = group[0].failure
            number = self._unsent_number(group[0])
            self._shipped[group[0].name] = None
        else:
            number = self._own_number(group[0])
            self._shipped[group[0].name] = number
        self._need(number)

    def _own_number(self, d: Definition) -> int:
        stamp = self._book.stamp(d.hard.keys() - {d.name})
        current = d.number is not None and self._book.is_current([d.name], d.number)
        if d.number is None or not current or d.stamp != stamp:
            data, met = d.data, d.met
            if data is None or met is None:
                _, data, met = self._pickle_definitions([d])
            _warn_if_large(len(data), f"the global {d.name!r}")
            d.number = self._set_names(data, [d.name], met)
            d.data = d.met = None
            d.stamp = stamp
        return d.number

    def _group_number(self, group: list[Definition]) -> int:
        names = tuple(d.name for d in group)
        outside = {name for d in group for name in d.hard} - set(names)
        marks = (*(d.mark for d in group), self._book.stamp(outside))
        known = self._book.groups.get(names)
        if known is not None and known[0] == marks and self._book.is_current(names, known[1]):
            return known[1]
        _, data, met = self._pickle_definitions(group)
        _warn_if_large(len(data), "the globals " + ", ".join(names))
        number = self._set_names(data, names, met)
        self._book.groups[names] = (marks, number)
        return number

    def _unsent_number(self, d: Definition) -> int:
        reason = str(d.failure)
        known = self._book.unsent.get(d.name)
        if known is not None and known[0] == reason and self._book.is_current([d.name], known[1]):
            return known[1]
        data = dumps(Call(_namespace.mark_unsent, (d.name, reason)), 5)
        number = self._set_names(data, [d.name], Collector())
        self._book.unsent[d.name] = (reason, number)
        return number

    def _set_names(self, data: bytes, names: Sequence[str], met: Collector) -> int:
        """Register a blob that sets these names."""
        self._mind_neighbours(data)
        if any(name in self._book.current for name in names):
            data = self._book.distinct(data)
            self._book.plans.clear()  # they hold the numbers that were current until now
        number = self._register(_packed(data, met), ", ".join(names), met)
        self._book.current.update(dict.fromkeys(names, number))
        return number


def describe(func: Any) -> str:
    """What errors call a callable."""
    kind = type(func)
    if issubclass(kind, partial):
        return f"partial({describe(func.func)})"
    try:
        name = func.__qualname__
    except Exception:  # noqa: BLE001 (an object's attributes may raise whatever they like)
        name = None
    return name if isinstance(name, str) else kind.__qualname__


def _packed(data: bytes, met: Collector) -> bytes:
    return _cargo.pack(data, met, _pickling.install)


def _title(name: str, value: Any) -> str:
    if isinstance(value, FunctionType):
        return f"function {name}"
    return f"class {name}" if isinstance(value, type) else f"global {name!r}"


def _load_order(d: Definition) -> tuple[int, str]:
    """Functions first, then classes, then data, whose loading may call either."""
    rank = 0 if isinstance(d.value, FunctionType) else 1 if isinstance(d.value, type) else 2
    return rank, d.name


def _warn_if_large(size: int, what: str) -> None:
    if size <= LARGE:
        return
    import warnings

    from .errors import LargeGlobalWarning

    text = (
        f"{what} is {size / 1e6:.1f} MB pickled, and is sent to every worker. Load it in the "
        "workers instead, with the pool's initializer, or pass the items only the part that they "
        "need."
    )
    warnings.warn(text, LargeGlobalWarning, stacklevel=_cargo.caller())
