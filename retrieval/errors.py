"""Every error that this package raises on purpose.

    RetrievalError
    ├── ConfigurationError        a setting or argument of the program itself is wrong
    ├── DatabaseError             the database cannot be used as it is
    │   ├── DatabaseUnavailable   no server answers at the address
    │   ├── UnsupportedDatabase   PostgreSQL or pgvector is missing something that is needed
    │   └── SchemaMismatch        the schema is absent, older or newer than this package
    ├── InvalidInput              an argument, filter or query that cannot be used
    ├── NotFound                  no such collection, space or document
    ├── AlreadyExists             the name is taken
    ├── NotReady                  the object is not in the state that the call needs
    ├── ConditionFailed           what is stored is not what the caller expects
    ├── SpaceMismatch             the embedding was made by another model than the space holds
    ├── ModelUnavailable          a model cannot be loaded
    └── LoadError                 a file cannot be read as a document

The message of each is one line that names the offending part and, where something can be done,
what to do.
"""


class RetrievalError(Exception):
    """The root of every error that this package raises on purpose."""


class ConfigurationError(RetrievalError):
    """A setting or an argument of the program itself is wrong."""


class DatabaseError(RetrievalError):
    """The database cannot be used as it is."""


class DatabaseUnavailable(DatabaseError):
    """No server answers at the address."""


class UnsupportedDatabase(DatabaseError):
    """PostgreSQL or pgvector is missing something that is needed."""


class SchemaMismatch(DatabaseError):
    """The schema is absent, older or newer than this package."""


class InvalidInput(RetrievalError):
    """An argument, a filter or a query cannot be used."""


class NotFound(RetrievalError):
    """There is no such collection, space or document."""


class AlreadyExists(RetrievalError):
    """The name is taken."""


class NotReady(RetrievalError):
    """The object is not in the state that the call needs."""


class ConditionFailed(RetrievalError):
    """What is stored is not what the caller expects: somebody else has changed it."""


class SpaceMismatch(RetrievalError):
    """The embedding was made by another model than the space holds."""


class ModelUnavailable(RetrievalError):
    """A model cannot be loaded."""


class LoadError(RetrievalError):
    """A file, or a part of one, cannot be read as a document."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(source, reason)
        self.source = source
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}"
