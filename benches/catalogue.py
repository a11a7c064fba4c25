"""All benches and their subjects, in the order of the report."""

import apply_async
import balance
import bigdata
import idle
import imap
import launch
import map as map_bench
import metg
import parse_stdlib
import pipe
import queues
import roundtrip
import sha256
import spinning
import startup
import sync
import waiting
from harness import Subject

MODULES = (
    roundtrip,
    imap,
    map_bench,
    apply_async,
    metg,
    balance,
    sha256,
    parse_stdlib,
    startup,
    spinning,
    idle,
    sync,
    pipe,
    queues,
    launch,
    bigdata,
    waiting,
)
SUBJECTS: tuple[Subject, ...] = tuple(subject for module in MODULES for subject in module.SUBJECTS)
