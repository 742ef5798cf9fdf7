"""The spaces that new chunks are embedded for."""

from functools import partial
from typing import Any

from retrieval.embedding import Embedder, HashingEmbedder
from retrieval.embedding.spaces import KnownSpace, KnownSpaces
from retrieval.errors import ModelUnavailable
from retrieval.ingestion.report import IngestReport
from retrieval.ingestion.store import written_spaces
from retrieval.steps import Compute, Query, Steps


class WrittenSpaces:
    """The spaces of a collection that are not retired, by id, with their models.

    One that no search uses may be `left_out`, with a warning, where its model cannot be loaded.
    """

    def __init__(self, collection: str, known_spaces: KnownSpaces, report: IngestReport) -> None:
        self.by_id: dict[int, KnownSpace] = {}
        self.left_out: set[int] = set()
        self.of_images = False
        self._collection = collection
        self._known_spaces = known_spaces
        self._report = report

    def learn(self) -> Steps[None]:
        """Ask the database which they are."""
        rows = yield Query(partial(written_spaces, collection=self._collection))
        self.of_images = any(row.modality == "image" for row in rows)
        spaces = {}
        for row in rows:
            if row.space_id not in self.left_out:
                space = yield Compute(partial(self._known, row))
                if space is not None:
                    spaces[row.space_id] = space
        self.by_id = spaces

    def _known(self, row: Any) -> KnownSpace | None:
        if row.state == "active":
            return self._known_spaces.learn(self._collection, row.name, row.kind, row)
        try:
            return self._known_spaces.known(row)
        except ModelUnavailable as error:
            self.left_out.add(row.space_id)
            warning = f"space {row.name} ({row.state}) was left out: {error}"
            self._report.warnings.append(warning)
            return None

    @property
    def searched(self) -> KnownSpace | None:
        """The dense space that a search without a name goes to: of texts where there is one."""
        active = [
            each for each in self.by_id.values() if (each.state, each.kind) == ("active", "dense")
        ]
        return min(active, key=lambda space: space.modality != "text", default=None)

    @property
    def embedder(self) -> Embedder:
        """The embedder that chunks are cut for: without a space they still need a size."""
        searched_first = sorted(
            (space for space in self.by_id.values() if space.modality == "text"),
            key=lambda space: (space.state != "active", space.kind != "dense"),
        )
        return searched_first[0].embedder if searched_first else HashingEmbedder()
