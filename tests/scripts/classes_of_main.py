"""A user's script: its classes and enums, as a worker sees them. See `code_of_main.py`."""

import abc
import collections
import dataclasses
import enum
import functools
import typing
from datetime import date

from fakepool import FakePool, run_checks

# A user's script is not written for our linter.
# ruff: noqa: PIE796, RUF012, PYI024, N801, PT018

FACTOR = 10
T = typing.TypeVar("T")
Key = typing.NewType("Key", int)


def scale(x):
    return x * FACTOR


@functools.lru_cache
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def identity(x):
    return x


@dataclasses.dataclass(order=True)
class Point:
    x: int
    y: int = 0
    tags: list = dataclasses.field(default_factory=list, compare=False)

    def scaled(self):
        return Point(self.x * FACTOR, self.y * FACTOR)


@dataclasses.dataclass(slots=True, frozen=True)
class Slotted:
    a: int
    b: str = "b"


class Manual:
    __slots__ = ("p", "q")

    def __init__(self, p):
        self.p = p


class Color(enum.Enum):
    RED = 1
    GREEN = enum.auto()
    ROUGE = 1


class Planet(enum.Enum):
    EARTH = (6.0, 2.0)

    def __init__(self, mass, radius):
        self.mass = mass
        self.radius = radius

    @property
    def gravity(self):
        return self.mass / self.radius


class Coordinate(bytes, enum.Enum):
    PX = (80, "P.X")

    def __new__(cls, value, label):
        made = bytes.__new__(cls, [value])
        made._value_ = value
        made.label = label
        return made


class Day(date, enum.Enum):
    FIRST = 2026, 11, 1


class Permission(enum.Flag):
    R = enum.auto()
    W = enum.auto()
    RW = R | W


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    YES = "yes"


class Plugin:
    found = {}

    def __init_subclass__(cls, *, key, **rest):
        super().__init_subclass__(**rest)
        cls.found[key] = cls

    def name(self):
        return "plugin"


class Loud(Plugin, key="loud"):
    def name(self):
        return super().name().upper()


class Counting(type):
    made = 0

    def __call__(cls, *args):
        Counting.made += 1
        return super().__call__(*args)


class Counted(metaclass=Counting):
    pass


class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self):
        """The area."""

    @functools.cached_property
    def cached(self):
        return 42


class Square(Shape):
    def __init__(self, side):
        self.side = side

    def area(self):
        return self.side**2

    @property
    def double(self):
        return self.side * 2

    @staticmethod
    def static(x):
        return x

    @classmethod
    def klass(cls):
        return cls

    def __hidden(self):
        return "hidden"

    def hidden_method(self):
        return self.__hidden


Named = collections.namedtuple("Named", "a b")
Renamed = collections.namedtuple("Other", "a")


class Typed(typing.NamedTuple):
    a: int
    b: str = "b"


class Options(typing.TypedDict):
    a: int


class Box(typing.Generic[T]):
    def __init__(self, content: T):
        self.content = content


class Outer:
    class Inner:
        value = 3


class Named_by_itself:
    def __reduce__(self):
        return "SENTINEL"


SENTINEL = Named_by_itself()


def check_instances_come_back_as_they_went():
    values = [
        Point(1, 2), Slotted(1), Named(1, 2), Renamed(1), Typed(1), Box("x"), Outer.Inner(),
        Square(3), Loud(), Counted(), Options(a=1),
    ]  # fmt: skip
    with FakePool() as pool:
        for value, back in zip(values, pool.map(identity, values), strict=True):
            assert type(back) is type(value), (value, back)
        assert pool.map(identity, [Point(1, 2)]) == [Point(1, 2)]
        manual = pool.call(identity, Manual(7))
        assert type(manual) is Manual and manual.p == 7 and not hasattr(manual, "__dict__")


def check_enums_are_the_same_objects():
    values = [
        Color.RED, Color.ROUGE, Color.GREEN, Planet.EARTH, Coordinate.PX, Day.FIRST, Permission.RW,
        Permission.R | Permission.W, Level.LOW, Word.YES,
    ]  # fmt: skip
    with FakePool() as pool:
        for value, back in zip(values, pool.map(identity, values), strict=True):
            assert back is value, (value, back)
        assert pool.call(lambda: Planet.EARTH.gravity) == 3.0
        assert pool.call(lambda: list(Color.__members__)) == ["RED", "GREEN", "ROUGE"]
        assert pool.call(lambda: Color(1) is Color.ROUGE) is True
        assert pool.call(lambda: (bytes(Coordinate.PX), Coordinate.PX.label)) == (b"P", "P.X")
        assert pool.call(lambda: Day.FIRST.year) == 2026
        assert pool.call(lambda: Permission.R in Permission.RW) is True
        assert pool.call(lambda: Level.LOW + 1) == 2
        assert pool.call(lambda x: x is Color.RED, Color.RED) is True


def check_class_features():
    with FakePool() as pool:
        assert pool.call(lambda: Loud().name()) == "PLUGIN"
        assert pool.call(lambda: Plugin.found["loud"] is Loud) is True
        assert pool.call(lambda: len(Plugin.found)) == 1
        square = Square(3)
        assert pool.call(square.area) == 9
        assert pool.call(lambda s: (s.double, s.cached, s.static(1), s.klass()), square) == (
            6, 42, 1, Square,
        )  # fmt: skip
        assert pool.call(square.hidden_method()) == "hidden"
        assert pool.call(lambda: isinstance(Square(1), Shape)) is True
        assert pool.call(lambda: [f.name for f in dataclasses.fields(Point)]) == ["x", "y", "tags"]
        assert pool.call(lambda: dataclasses.replace(Point(1), x=5) < Point(6)) is True
        assert pool.call(Point(1, 2).scaled) == Point(10, 20)
        assert pool.call(lambda: (Counted(), Counting.made)[1]) == Counting.made + 1
        assert pool.call(lambda: Slotted.__slots__) == ("a", "b")
        assert pool.call(lambda: Box[int].__origin__ is Box) is True
        assert pool.call(lambda: Key(5)) == 5
        assert pool.call(lambda: T.__name__) == "T"


def check_definitions_as_values():
    values = [Point, Outer.Inner, scale, fib, Color, Square.area, SENTINEL, T]
    with FakePool() as pool:
        for value, back in zip(values, pool.map(identity, values), strict=True):
            assert back is value, (value, back)
        assert pool.call(lambda f: f(2), scale) == 20
        assert pool.call(lambda s: s is SENTINEL, SENTINEL) is True


def check_classes_are_sent_once():
    with FakePool() as pool:
        pool.map(identity, [Point(i) for i in range(20)])
        pool.map(identity, [Point(i) for i in range(20)])
        names = sorted(name for name in pool.names if name != "__package__")
        assert names == ["FACTOR", "Point", "identity"], pool.names


run_checks(globals())
