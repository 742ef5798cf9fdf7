"""The schema's revision: which one the database has, which one this package needs.

Alembic takes a while to import, and is needed only where something is migrated: a revision is named
like its file, and their names are in their order.
"""

from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from retrieval.errors import SchemaMismatch

if TYPE_CHECKING:
    from alembic.config import Config

_PACKAGE = Path(__file__).resolve().parent.parent


def project_file(name: str) -> Path:
    """`migrations` or `sql`: inside of an installed package, beside it in a checkout."""
    installed = _PACKAGE / name
    return installed if installed.exists() else _PACKAGE.parent / name


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(project_file("migrations")).replace("%", "%%"))
    return config


def revisions() -> list[str]:
    """Every revision that this package knows, the newest last."""
    versions = project_file("migrations") / "versions"
    return sorted(path.stem for path in versions.glob("[0-9]*.py"))


def head_revision() -> str:
    """The revision that this package needs."""
    return revisions()[-1]


def current_revision(connection: Connection) -> str | None:
    """The revision that the database has; None where it has no schema."""
    if connection.scalar(text("select to_regclass('retrieval.alembic_version')")) is None:
        return None
    version: str | None = connection.scalar(
        text("select version_num from retrieval.alembic_version")
    )
    return version


def check_schema(connection: Connection) -> None:
    """Raise SchemaMismatch unless the database has exactly this package's schema."""
    found, needed = current_revision(connection), head_revision()
    if found == needed:
        return
    if found is None:
        raise SchemaMismatch("the database has no retrieval schema; run: retrieval init")
    _check_known(found)
    raise SchemaMismatch(
        f"the retrieval schema is at revision {found}, older than {needed}; run: retrieval init"
    )


def _check_known(revision: str) -> None:
    if revision not in revisions():
        raise SchemaMismatch(
            f"the retrieval schema is at revision {revision}, which this version does not know "
            f"(it needs {head_revision()}); upgrade this package"
        )


def upgrade_schema(connection: Connection) -> None:
    """Bring the schema to this package's revision, in the caller's transaction.

    Whoever comes second waits for the first. A newer schema raises SchemaMismatch.
    """
    connection.execute(text("select pg_advisory_xact_lock(hashtext('retrieval.upgrade_schema'))"))
    if (found := current_revision(connection)) is not None:
        _check_known(found)
    if found == head_revision():
        return
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def prepare_schema(connection: Connection, *, upgrade: bool) -> None:
    """Raise SchemaMismatch unless the schema is this package's; `upgrade` makes it so first."""
    if upgrade:
        upgrade_schema(connection)
    check_schema(connection)


def migration_sql() -> str:
    """The whole schema as SQL, for teams that apply it with another tool."""
    from alembic import command

    buffer = StringIO()
    config = _config()
    config.output_buffer = buffer
    command.upgrade(config, "head", sql=True)
    return buffer.getvalue()
