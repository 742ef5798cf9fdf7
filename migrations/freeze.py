"""Copies the current bodies of sql/ into a revision that is not released yet.

    python migrations/freeze.py 0001_foundation

In the revision's `.up.sql` the lines between `-- begin sql/x.sql` and `-- end` are replaced by that
file; in its `.down.sql` the lines between `-- begin functions` and `-- end` by drops of what those
files create, last first. Files that install.sql lists and the revision does not are reported.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPY = re.compile(r"^-- begin (sql/\S+\.sql)\n.*?^-- end$", re.MULTILINE | re.DOTALL)
DROPS = re.compile(r"^-- begin functions\n.*?^-- end$", re.MULTILINE | re.DOTALL)
FUNCTION = re.compile(r"^create or replace function (retrieval\.\w+)", re.MULTILINE)


def copy(match: re.Match[str]) -> str:
    """One file's body between its markers."""
    return f"-- begin {match[1]}\n{(ROOT / match[1]).read_text(encoding='utf-8').strip()}\n-- end"


def main(revision: str) -> None:
    """Rewrite the frozen copies of one revision."""
    up = ROOT / "migrations" / "versions" / f"{revision}.up.sql"
    down = up.with_suffix("").with_suffix(".down.sql")
    frozen = COPY.sub(copy, up.read_text(encoding="utf-8"))
    up.write_text(frozen, encoding="utf-8")
    drops = "\n".join(
        f"drop function if exists {name};" for name in reversed(FUNCTION.findall(frozen))
    )
    block = f"-- begin functions\n{drops}\n-- end"
    down.write_text(DROPS.sub(lambda _: block, down.read_text(encoding="utf-8")), encoding="utf-8")
    listed = re.findall(r"^\\ir (\S+)", (ROOT / "sql" / "install.sql").read_text(), re.MULTILINE)
    for name in sorted(set(listed) - {path[4:] for path in COPY.findall(frozen)}):
        print(f"sql/{name} is not in {up.name}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1])
