"""`python -m manyhands doctor`: what this machine and this process allow, for bug reports.

Each line is a fact with where it comes from; what is likely to hurt stands at the end, with what to
do. Libraries are not imported for it: their versions are those that are installed, and their
thread variables those that are set.

Refuses: to change anything, and to fail because one fact cannot be had.
"""

from __future__ import annotations

import os
import platform
import sys
from typing import TYPE_CHECKING

from . import __version__, _native
from ._snapshot import THREAD_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LIBRARIES = (
    "numpy",
    "scipy",
    "torch",
    "tensorflow",
    "jax",
    "polars",
    "pyarrow",
    "cloudpickle",
    "tqdm",
    "ray",
    "dask",
)
_LIMITS = (
    ("RLIMIT_NOFILE", "open files", 1024),
    ("RLIMIT_NPROC", "processes of this user", 1024),
    ("RLIMIT_AS", "bytes of address space", 1 << 40),
    ("RLIMIT_DATA", "bytes of data", 1 << 34),
    ("RLIMIT_MEMLOCK", "bytes of locked memory", 0),
    ("RLIMIT_CORE", "bytes of a core file", 0),
)
_SLOW_START = 5.0


def report() -> str:
    """The report, as text."""
    advice: list[str] = []
    sections = (_versions, _cores, _memory, _limits, _start, _threads, _gpus)
    lines: list[str] = []
    for section in sections:
        lines += _told(section, advice)
    lines += [f"! {text}" for text in advice] or ["nothing looks wrong"]
    return "\n".join(lines)


def _told(section: Callable[[list[str]], Iterator[str]], advice: list[str]) -> list[str]:
    lines: list[str] = []
    try:
        lines.extend(section(advice))
    except Exception as error:  # noqa: BLE001 - a fact that cannot be had is a fact too
        lines.append(f"{section.__name__.strip('_')}: not known ({type(error).__name__}: {error})")
    return lines


def _versions(advice: list[str]) -> Iterator[str]:
    yield f"manyhands {__version__}"
    build = platform.python_implementation(), platform.python_version()
    yield f"python: {' '.join(build)}, {sys.executable}"
    yield f"system: {platform.platform()}, {platform.machine()}"
    kernel = tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])
    if kernel < (5, 10):
        advice.append(f"the kernel is {platform.release()}: manyhands needs 5.10 or later")
    found = [f"{name} {version}" for name in _LIBRARIES if (version := _version(name)) is not None]
    yield "libraries: " + (", ".join(found) or "none of those that matter here")


def _version(name: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _cores(advice: list[str]) -> Iterator[str]:
    machine = os.cpu_count() or 1
    usable = _native.cpu_count()
    affinity, quota = _native.core_limits()
    own = os.environ.get("MANYHANDS_MAX_CPUS")
    yield f"cores: {usable} of the machine's {machine}"
    yield f"  affinity {affinity}, quota of control groups {quota or 'none'}, MAX_CPUS {own or '-'}"
    if quota is not None and quota < affinity:
        advice.append(
            f"control groups allow {quota:g} cores, although {affinity} can be seen: libraries "
            "that start a thread for each core are slowed down; manyhands heeds the quota"
        )


def _memory(advice: list[str]) -> Iterator[str]:
    available, budget, kills = _native.memory_limits()
    yield f"memory: {_bytes(available)} available, {_bytes(budget)} for shared memory"
    yield f"  MANYHANDS_MEMORY {os.environ.get('MANYHANDS_MEMORY') or '-'}"
    if kills is None:
        yield "  nobody counts processes that the kernel ends for lack of memory"
    else:
        yield f"  processes ended by the kernel for lack of memory: {kills}"
    low = 1 << 30
    if budget is not None and budget < low:
        advice.append(
            f"there are {_bytes(budget)} for shared memory: large items may be refused; "
            "MANYHANDS_MEMORY changes that"
        )


def _bytes(count: int | None) -> str:
    return "without limit" if count is None else f"{count / (1 << 30):.1f} GiB"


def _limits(advice: list[str]) -> Iterator[str]:
    import resource

    yield "limits (soft, hard):"
    for name, what, low in _LIMITS:
        soft, hard = resource.getrlimit(getattr(resource, name))
        yield f"  {what}: {_limit(soft)}, {_limit(hard)}"
        if soft != resource.RLIM_INFINITY and soft < low:
            advice.append(f"{what}: the limit is {soft}, which many workers may reach (ulimit)")
    yield f"  open now: {len(os.listdir('/proc/self/fd')) - 1} files"


def _limit(value: int) -> str:
    return "none" if value < 0 or value >= 1 << 62 else str(value)


def _start(advice: list[str]) -> Iterator[str]:
    from time import perf_counter

    from . import Pool, _default

    chosen = os.environ.get("MANYHANDS_START_METHOD")
    yield f"start method: {_default.method() or 'template'}, MANYHANDS_START_METHOD {chosen or '-'}"
    began = perf_counter()
    with Pool(1) as pool:
        pid = pool.apply(os.getpid)
    seconds = perf_counter() - began
    yield f"  a pool of one worker (pid {pid}) started, worked and ended in {seconds:.2f} s"
    if seconds > _SLOW_START:
        advice.append(f"a pool takes {seconds:.0f} s to start: what slows down python here?")


def _threads(advice: list[str]) -> Iterator[str]:
    found = [f"{name}={os.environ[name]}" for name in THREAD_VARIABLES if name in os.environ]
    yield "thread variables: " + (", ".join(found) or "none is set")
    yield "  a worker gets cores divided by workers, where none is set"
    for name in THREAD_VARIABLES:
        value = os.environ.get(name, "1")
        if value.isdigit() and int(value) > _native.cpu_count():
            advice.append(f"{name}={value} is more than there are cores, in every worker")


def _gpus(advice: list[str]) -> Iterator[str]:
    devices = sorted(name for name in os.listdir("/dev") if name.startswith("nvidia"))
    gpus = [name for name in devices if name[6:].isdigit()]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    yield f"gpus: {len(gpus) or 'none'}, CUDA_VISIBLE_DEVICES {'-' if visible is None else visible}"
    try:
        with open("/proc/driver/nvidia/version", encoding="utf-8", errors="replace") as file:
            yield "  " + file.readline().strip()
    except OSError:
        if gpus:
            advice.append("there are GPU devices, but no driver tells its version")
