"""Fine-tunes a model on the judged queries of a collection, and measures it on others."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from retrieval.embedding.quiet import quiet
from retrieval.errors import InvalidInput
from retrieval.evaluation.chosen_judgements import chosen_judgements
from retrieval.golden_sets.judgements import Judgements
from retrieval.reranking import Reranker
from retrieval.search import Retriever
from retrieval.spaces.progress import Progress, silent
from retrieval.training.card import model_card
from retrieval.training.columns import QUERY, Columns, columns_of
from retrieval.training.examples import TrainingExample, read_examples
from retrieval.training.fit import fit
from retrieval.training.folder import OutputFolder
from retrieval.training.kinds import (
    MARGIN_MSE,
    TrainedKind,
    check_packages,
    checked_trained_kind,
    default_base,
    load_base,
)
from retrieval.training.material import (
    Division,
    Material,
    divided,
    judgements_of,
    without_queries,
)
from retrieval.training.measured import Measured, gained
from retrieval.training.measuring import Measuring, measuring
from retrieval.training.negatives import mine_negatives
from retrieval.training.options import TrainingOptions
from retrieval.training.teacher import teacher, with_scores
from retrieval.training.texts import chunk_keys, chunk_texts
from retrieval.training.trained import TrainedModel

GOLDEN_SET = "default"
BEFORE = "before.json"

Examples = Path | Sequence[TrainingExample]


def train(
    retriever: Retriever,
    collection: str,
    kind: TrainedKind,
    *,
    output: Path,
    judgements: Judgements | None = None,
    golden_set: str | None = None,
    examples: Examples | None = None,
    model: str | None = None,
    distil_from: Reranker | str | None = None,
    reranker: Reranker | str | None = None,
    margin: float = 0.0,
    resume: bool = False,
    on_progress: Progress | None = None,
    **options: Any,
) -> TrainedModel:
    """Train a model of a kind on a collection, and write it to the folder `output`.

    The judgements are given, or those of a golden set; a share of their queries is held out, and
    the others are learned from with negatives that are mined, or in the place of these from
    `examples`, which also serve as judgements where there are no others. `model` is where training
    begins. `distil_from` is a cross-encoder whose scores are learned, `reranker` one that drops
    negatives by `margin`: see `mine_negatives`. `options` are those of `TrainingOptions`.

    The folder appears when all is done; until then everything is beside it, from where `resume`
    goes on after an interruption. Nothing is stored in the database.
    """
    checked_trained_kind(kind)
    if distil_from is not None:
        options["loss"] = options.get("loss") or MARGIN_MSE
    chosen = TrainingOptions(kind=kind, **options)
    if distil_from is not None and chosen.loss != MARGIN_MSE:
        raise InvalidInput(f"distil_from is for loss {MARGIN_MSE}, not for {chosen.loss}")
    check_packages()
    folder = OutputFolder(output, resume=resume)
    base = model or default_base(kind)
    progress = on_progress or silent
    source = _Source(
        retriever, collection, judgements, golden_set, examples, distil_from, reranker, margin
    )
    settings = {"collection": collection, "model": base, **asdict(chosen)}
    with folder.worked_in(settings):
        return _Training(source, chosen, base, folder, progress).run()


@dataclass(frozen=True, slots=True)
class _Source:
    """Where what is learned comes from."""

    retriever: Retriever
    collection: str
    judgements: Judgements | None
    golden_set: str | None
    examples: Examples | None
    distil_from: Reranker | str | None
    reranker: Reranker | str | None
    margin: float

    def material(
        self, keys: Mapping[int, str], options: TrainingOptions, progress: Progress
    ) -> Material:
        """Examples of the queries that are not held out."""
        given = read_examples(self.examples) if isinstance(self.examples, Path) else self.examples
        division = divided(
            self._judgements(keys, given),
            set(keys.values()),
            held_out=options.held_out,
            seed=options.seed,
        )
        if given is None:
            learned = self._mined(division.learned, options, progress)
            validation = self._mined(division.validation, options, progress)
        else:
            learned, validation = self._given(given, division, progress)
        return Material(learned, validation, division.held_out, division.disjoint, division.missing)

    def _judgements(
        self, keys: Mapping[int, str], given: Sequence[TrainingExample] | None
    ) -> Judgements:
        if self.judgements is not None:
            return self.judgements
        if given is not None and self.golden_set is None:
            return judgements_of(given, chunk_texts(self.retriever, self.collection, keys))
        return chosen_judgements(
            self.retriever, self.collection, None, self.golden_set or GOLDEN_SET
        )

    def _mined(
        self, judgements: Judgements, options: TrainingOptions, progress: Progress
    ) -> list[TrainingExample]:
        if not judgements.queries:
            return []
        # whoever learns scores learns those of false negatives too
        distilled = self.distil_from is not None
        return mine_negatives(
            self.retriever,
            self.collection,
            judgements,
            kind=options.kind,
            per_query=options.negatives,
            depth=options.depth,
            sampling=options.sampling,
            seed=options.seed,
            reranker=self.distil_from if distilled else self.reranker,
            margin=-float("inf") if distilled else self.margin,
            on_progress=progress,
        )

    def _given(
        self, given: Sequence[TrainingExample], division: Division, progress: Progress
    ) -> tuple[list[TrainingExample], list[TrainingExample]]:
        usable = without_queries(given, division.held_out.queries)
        learned = without_queries(usable, division.validation.queries)
        if not learned:
            raise InvalidInput("every example is of a query that is held out")
        checked = {each.query for each in usable} - {each.query for each in learned}
        validation = [each for each in usable if each.query in checked]
        scorer = teacher(self.distil_from)
        if scorer is None:
            return learned, validation
        return with_scores(scorer, learned, progress), with_scores(scorer, validation, progress)


@dataclass(frozen=True, slots=True)
class _Training:
    """One training, from what is stored to a folder."""

    source: _Source
    options: TrainingOptions
    base: str
    folder: OutputFolder
    progress: Progress

    def run(self) -> TrainedModel:
        """Prepare, measure, train, measure again, and put everything in its place."""
        began = time.perf_counter()
        encoder = self._loaded()
        keys = chunk_keys(self.source.retriever, self.source.collection)
        material = self._material(keys)
        columns = self._columns(material)
        measure = measuring(
            self.source.retriever,
            self.source.collection,
            self.options,
            keys,
            material.held_out,
            self.progress,
        )
        before, base = self._before(measure)
        resumed = self.folder.last_checkpoint()
        fitted = fit(
            encoder, self.options, *columns, self.folder.checkpoints, resumed, self.progress
        )
        work = str(self.folder.work)
        with quiet():
            encoder.save_pretrained(work, create_model_card=False)
        after, signature = measure.after(work)
        trained = TrainedModel(
            folder=self.folder.folder,
            kind=self.options.kind,
            model=self.base,
            collection=self.source.collection,
            options=self.options,
            examples=len(material.examples),
            held_out=len(material.held_out.queries),
            disjoint=material.disjoint,
            missing_documents=material.missing,
            chunks=measure.chunks,
            collection_chunks=len(keys),
            fitted=fitted,
            seconds=time.perf_counter() - began,
            before=before,
            after=after,
            difference=gained(before, after),
            base=base,
            signature=signature and replace(signature, model=str(self.folder.folder)),
        )
        self.folder.complete(model_card(trained), trained.to_json())
        return trained

    def _loaded(self) -> Any:
        """The model to begin with, whose own limits refuse what cannot be."""
        encoder = load_base(self.base, self.options.kind, self.options.seed)
        if self.options.matryoshka:
            self.options.check_dimensions(encoder.get_embedding_dimension())
        return encoder

    def _material(self, keys: Mapping[int, str]) -> Material:
        kept = Material.read(self.folder.notes)
        if kept is None:
            kept = self.source.material(keys, self.options, self.progress)
            kept.write(self.folder.notes)
        return kept

    def _columns(self, material: Material) -> tuple[Columns, Columns | None]:
        options = self.options
        shape = (options.loss, options.negatives, options.seed)
        learned = columns_of(material.examples, *shape)
        rows = len(learned[QUERY])
        if rows < options.batch_size:
            raise InvalidInput(
                f"{rows} rows to learn from are fewer than a batch of {options.batch_size}: "
                "more queries are needed, or a smaller batch_size"
            )
        try:
            validation = columns_of(material.validation, *shape) if material.validation else None
        except InvalidInput:  # too few of them have a negative
            validation = None
        return learned, validation

    def _before(self, measure: Measuring) -> tuple[Measured, Measured | None]:
        """What training began from; measured once, also where it is resumed."""
        file = self.folder.notes / BEFORE
        if file.is_file():
            former, base = json.loads(file.read_text("utf-8"))
            return Measured.of(former), None if base is None else Measured.of(base)
        before, own = measure.before(self.base)
        kept = [before.by_query, None if own is None else own.by_query]
        file.write_text(json.dumps(kept), "utf-8")
        return before, own
