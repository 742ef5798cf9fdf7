"""Questions to ask the demo's documents, chosen to show where each kind of search is better."""

EXPECTED: dict[str, frozenset[str]] = {
    # either search finds these
    "find the most common words in a list": frozenset({"collections.Counter.most_common"}),
    "undo a git-like diff between two sequences": frozenset({"difflib.restore"}),
    "parse command line flags": frozenset({"getopt", "optparse"}),
    # the words differ, only the meaning is the same
    "how do I run something after a delay": frozenset({"sched.scheduler", "threading.Timer"}),
    "how can several threads wait for each other": frozenset({"threading.Barrier"}),
    "how big is an object in memory": frozenset({"sys.getsizeof"}),
    "stop a program from crashing when a file is missing": frozenset({"contextlib.suppress"}),
    # a name that no model has learned
    "ENOENT": frozenset({"errno"}),
    "surrogateescape": frozenset({"os.fsdecode", "os.fsencode"}),
    "RFC 3986": frozenset({"urllib.parse"}),
    # a name and a description: each search has half of it
    "bisect_left insertion point": frozenset({"bisect.bisect_left"}),
}

QUESTIONS: tuple[str, ...] = tuple(EXPECTED)
