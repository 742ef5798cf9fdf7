"""How well each way of searching ranks: nDCG@10, MRR@10 and Recall@100 on judged collections.

    python benchmarks/quality.py --data ../shared/data

Each document is one chunk, embedded by the default model as title and text. Everything is ranked by
the SQL functions: keyword and semantic search; each fusion with equal weights; the defaults of
hybrid_search, before and after `retrieval.calibrate`; late interaction (the same model's vectors of
tokens, untrained for it, order the 50 best) and, with --reranker, a cross-encoder.

The questions of each collection are dealt into two halves. On the first, every share of the
semantic leg is tried under every fusion: the defaults are chosen there. The table is of the second.
Before anything is printed, `retrieval.fuse` of the legs must give the ranking of hybrid_search.

Nothing stays in a database that is given: each collection is in a transaction that is rolled back.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
from judged import Judged, read_judged
from numpy.typing import NDArray
from servers import opened
from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.sql.selectable import TableValuedAlias

from retrieval import CrossEncoderReranker, orm
from retrieval.embedding import DEFAULT_MODEL
from retrieval.embedding.loading import load_encoder

DATA = Path(__file__).resolve().parents[1] / "../shared/data"
COLLECTIONS = (
    *("cacm", "cranfield", "cystic-fibrosis", "medline", "nl2bash", "squad-dev"),
    *("cmrc2018", "csl", "jsquad", "xquad-all"),
)
MEASURES = [ir_measures.nDCG @ 10, ir_measures.RR @ 10, ir_measures.R @ 100]
FUSIONS = ("rrf", "relative", "dbsf")
SHARES = [round(0.1 * tenth, 1) for tenth in range(11)]
NAME = "quality"
DEPTH = 100
RERANKED = 50

Floats = NDArray[np.float32]
Hits = list[tuple[int, float]]


@dataclass
class Question:
    """A question with its vectors, and what the legs found for it."""

    key: str
    words: str
    embedding: Floats
    tokens: Floats | None
    keyword: Hits = field(default_factory=list)
    semantic: Hits = field(default_factory=list)


class Encoders:
    """The default model, giving a text one vector or one for each token."""

    def __init__(self, folder: Path | None, late_interaction: bool) -> None:
        self.folder = folder
        _, self.dense = load_encoder(DEFAULT_MODEL, "dense")
        self.multi_vector = self._token_encoder() if late_interaction else None

    def _token_encoder(self) -> Any:
        from sentence_transformers import MultiVectorEncoder
        from sentence_transformers.base.modules import Normalize
        from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

        normalize = Normalize(module_input_name="token_embeddings")
        return MultiVectorEncoder(modules=[self.dense[0], MultiVectorMask(), normalize])

    def documents(self, judged: Judged) -> tuple[Floats, list[Floats] | None]:
        """A vector for each document and, where wanted, its vectors of tokens."""
        texts = [f"{each['title']}\n{each['content']}".strip() for each in judged.documents]
        stored = self.folder and self.folder / f"{judged.name}.npz"
        if stored and stored.exists():
            vectors = np.load(stored)["documents"].astype(np.float32)
        else:
            vectors = self.encode(texts)
            if stored:
                np.savez(stored, documents=vectors.astype(np.float16))
        if len(vectors) != len(texts):
            raise SystemExit(f"{stored} is not of the {len(texts)} documents of {judged.name}")
        if self.multi_vector is None:
            return vectors, None
        return vectors, self.multi_vector.encode_document(texts, convert_to_numpy=True)

    def encode(self, texts: Sequence[str]) -> Floats:
        """Unit vectors."""
        vectors: Floats = self.dense.encode(list(texts), normalize_embeddings=True)
        return vectors

    def questions(self, judged: Judged, most: int) -> list[Question]:
        """Questions from all over the collection."""
        keys = list(judged.questions)
        if most and len(keys) > most:
            keys = [keys[number * len(keys) // most] for number in range(most)]
        words = [judged.questions[key] for key in keys]
        tokens = [None] * len(keys)
        if self.multi_vector is not None:
            tokens = self.multi_vector.encode_query(words, convert_to_numpy=True)
        return [
            Question(*each) for each in zip(keys, words, self.encode(words), tokens, strict=True)
        ]


class Loaded:
    """A judged collection in the database, within a transaction."""

    def __init__(self, connection: Connection, judged: Judged, encoders: Encoders) -> None:
        self.connection = connection
        self.judged = judged
        self._call("create_collection", name=NAME, text_config=judged.text_config)
        for start in range(0, len(judged.documents), 1000):
            batch = judged.documents[start : start + 1000]
            put = orm.call("put_documents", collection=NAME, documents=batch)
            connection.execute(select(put.table_valued("chunk_id"))).all()
        rows = connection.execute(
            text(
                """select d.document_key, c.chunk_id from retrieval.chunks c
                   join retrieval.documents d using (collection_id, document_id)
                   join retrieval.collections n using (collection_id) where n.name = :name"""
            ),
            {"name": NAME},
        )
        chunks = {row.document_key: row.chunk_id for row in rows}
        self.chunk_ids = [chunks[each["document_key"]] for each in judged.documents]
        self.keys = {chunk: key for key, chunk in chunks.items()}
        vectors, tokens = encoders.documents(judged)
        self._put("dense", vectors)
        if tokens is not None:
            self._put("multivector", tokens)
        self._call("tidy_collection", collection=NAME)

    def _call(self, function: str, **arguments: Any) -> Any:
        return self.connection.scalar(select(orm.call(function, **arguments)))

    def _put(self, kind: str, vectors: Any) -> None:
        dimensions = vectors[0].shape[-1]
        shared = {"collection": NAME, "space": kind}
        self._call("create_space", **shared, model=DEFAULT_MODEL, dimensions=dimensions, kind=kind)
        for start in range(0, len(vectors), 500):
            rows = slice(start, start + 500)
            statement = orm.put_embeddings_statement(
                kind, NAME, kind, self.chunk_ids[rows], vectors[rows], {}
            )
            self.connection.execute(statement)
        if kind == "dense":
            self._call("build_index", **shared)
        self._call("activate_space", **shared)

    def hits(self, search: TableValuedAlias) -> Hits:
        """Chunks and scores, best first."""
        rows = self.connection.execute(select(search.c.chunk_id, search.c.score))
        return [(row.chunk_id, row.score) for row in rows]

    def hybrid(self, question: Question, **options: Any) -> Hits:
        """What hybrid_search finds."""
        return self.hits(
            orm.hybrid_search(
                NAME, question.words, question.embedding, max_results=DEPTH, **options
            )
        )

    def calibrate(self) -> None:
        """Find what the space counts, store it, and remember how it came about."""
        self.agreement, self.weight = self.connection.execute(
            text("select agreement, weight from retrieval.calibrate(:name)"), {"name": NAME}
        ).one()

    def ask_legs(self, questions: Sequence[Question]) -> None:
        """Remember what the legs find by themselves."""
        for each in questions:
            each.keyword = self.hits(orm.keyword_search(NAME, each.words, max_results=DEPTH))
            each.semantic = self.hits(orm.semantic_search(NAME, each.embedding, max_results=DEPTH))

    def fused(self, question: Question, fusion: str, share: float) -> Hits:
        """The two legs fused by `retrieval.fuse`."""
        found = [("keyword", *hit) for hit in question.keyword]
        found += [("semantic", *hit) for hit in question.semantic]
        legs, ids, scores = (list(column) for column in zip(*found, strict=True))
        weights = {"keyword": 1 - share, "semantic": share}
        fused = orm.fuse(legs, ids, scores, fusion=fusion, weights=weights)
        rows = self.connection.execute(select(fused.c.id, fused.c.score))
        return [(row.id, row.score) for row in rows]


def check_fusion(loaded: Loaded, questions: Sequence[Question]) -> None:
    """Hybrid search must be the fusion of what its legs find by themselves."""
    for question in questions[:20]:
        for fusion in FUSIONS:
            weights = {"keyword": 0.4, "semantic": 0.6}
            found = [score for _, score in loaded.hybrid(question, fusion=fusion, weights=weights)]
            expected = [score for _, score in loaded.fused(question, fusion, 0.6)][: len(found)]
            if not np.allclose(found, expected, atol=1e-9):
                raise SystemExit(f"{loaded.judged.name}: hybrid_search is not fuse: {question.key}")


def systems(loaded: Loaded, reranker: CrossEncoderReranker | None) -> Iterator[tuple[str, Any]]:
    """Each way of searching, as a function from a question to keys and scores."""
    yield "keyword", lambda each: each.keyword
    yield "semantic", lambda each: each.semantic
    equal = {"keyword": 1, "semantic": 1}
    for fusion in FUSIONS:
        yield fusion, lambda each, name=fusion: loaded.hybrid(each, fusion=name, weights=equal)
    yield "default", lambda each: loaded.hybrid(each)
    loaded.calibrate()
    yield "calibrated", lambda each: loaded.hybrid(each)
    yield (
        "late interaction",
        lambda each: loaded.hybrid(
            each,
            query_tokens=each.tokens,
            leg_candidates={"late_interaction": RERANKED},
            weights={"keyword": 0, "semantic": 0, "late_interaction": 1},
        ),
    )
    if reranker is not None:
        texts = {
            chunk: f"{each['title']}\n{each['content']}"
            for chunk, each in zip(loaded.chunk_ids, loaded.judged.documents, strict=True)
        }
        yield "reranked", lambda each: reranked(reranker, texts, each, loaded.hybrid(each))


def reranked(
    reranker: CrossEncoderReranker,
    texts: Mapping[int, str],
    question: Question,
    hits: Hits,
) -> Hits:
    """The best hits by the cross-encoder, the others after them."""
    best = [chunk for chunk, _ in hits[:RERANKED]]
    scores = reranker.score(question.words, [texts[chunk] for chunk in best])
    order = np.argsort(-scores, kind="stable")
    return [(best[place], float(scores[place])) for place in order] + list(hits[RERANKED:])


def measured(
    loaded: Loaded, questions: Sequence[Question], system: Callable[[Question], Hits]
) -> list[float]:
    # ranks instead of scores: otherwise ir-measures orders ties by key
    run = {
        each.key: {
            loaded.keys[chunk]: 1 / rank for rank, (chunk, _) in enumerate(system(each), start=1)
        }
        for each in questions
    }
    relevant = {each.key: loaded.judged.judgements[each.key] for each in questions}
    values = ir_measures.calc_aggregate(MEASURES, relevant, run)
    return [values[measure] for measure in MEASURES]


@dataclass
class Row:
    """The figures of one collection."""

    judged: Judged
    questions: int
    agreement: float
    weight: float
    tried: dict[tuple[str, float], float]  # nDCG@10 on the first half
    better_leg: float  # likewise
    reported: dict[str, list[float]]  # on the second


def compare(engine: Engine, judged: Judged, encoders: Encoders, most: int, reranker: Any) -> Row:
    with engine.connect() as connection:
        loaded = Loaded(connection, judged, encoders)
        questions = encoders.questions(judged, most)
        loaded.ask_legs(questions)
        check_fusion(loaded, questions)
        first, second = questions[0::2], questions[1::2]
        tried = {
            (fusion, share): measured(
                loaded, first, lambda each, f=fusion, s=share: loaded.fused(each, f, s)
            )[0]
            for fusion in FUSIONS
            for share in SHARES
        }
        legs = [
            measured(loaded, first, lambda each, leg=leg: getattr(each, leg))[0]
            for leg in ("keyword", "semantic")
        ]
        reported = {
            name: measured(loaded, second, system)
            for name, system in systems(loaded, reranker)
            if name != "late interaction" or encoders.multi_vector is not None
        }
        calibration = (loaded.agreement, loaded.weight)
        return Row(judged, len(questions), *calibration, tried, max(legs), reported)


def print_choice(rows: Sequence[Row]) -> None:
    """What the first halves say of each fusion and share of the semantic leg."""
    print(
        "\nFirst halves: nDCG@10 less that of the better leg, mean and worst of the collections\n"
    )
    print("| fusion | " + " | ".join(f"{share}" for share in SHARES) + " |")
    print("|---" * (len(SHARES) + 1) + "|")
    for fusion in FUSIONS:
        gains = np.array(
            [[row.tried[fusion, share] - row.better_leg for share in SHARES] for row in rows]
        )
        cells = [
            f"{mean:+.3f} / {worst:+.3f}"
            for mean, worst in zip(gains.mean(0), gains.min(0), strict=True)
        ]
        print(f"| {fusion} | " + " | ".join(cells) + " |")
    print(
        "\n| collection | better leg | best share, relative | calibrated share | agreement |"
        "\n|---|---|---|---|---|"
    )
    for row in rows:
        share = max(SHARES, key=lambda each: row.tried["relative", each])
        best = f"{share} ({row.tried['relative', share]:.3f})"
        calibrated = row.weight / (1 + row.weight)
        cells = f"{row.better_leg:.3f} | {best} | {calibrated:.2f} | {row.agreement:.2f}"
        print(f"| {row.judged.name} | {cells} |")


def print_report(rows: Sequence[Row]) -> None:
    """The second halves, a table for each measure."""
    names = list(rows[0].reported)
    for number, measure in enumerate(MEASURES):
        print(f"\nSecond halves: {measure}\n")
        print("| collection | documents | questions | " + " | ".join(names) + " |")
        print("|---" * (len(names) + 3) + "|")
        for row in rows:
            values = " | ".join(f"{row.reported[name][number]:.3f}" for name in names)
            counts = f"{len(row.judged.documents):,} | {row.questions // 2}"
            print(f"| {row.judged.name} | {counts} | {values} |")
        means = (np.mean([row.reported[name][number] for row in rows]) for name in names)
        print("| mean | | | " + " | ".join(f"{mean:.3f}" for mean in means) + " |")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER")
    parser.add_argument("--collections", nargs="*", default=COLLECTIONS)
    parser.add_argument("--questions", type=int, default=400, help="of each collection; 0 for all")
    parser.add_argument("--embeddings", type=Path, metavar="FOLDER", help="where vectors are kept")
    parser.add_argument("--reranker", metavar="MODEL", help="a cross-encoder's folder or hub id")
    parser.add_argument("--no-late-interaction", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--database-url", help="a database that `retrieval init` has prepared")
    return parser.parse_args()


def main() -> None:
    """Print the tables."""
    given = arguments()
    for name in given.collections:
        if not (given.data / name / "corpus.jsonl").exists():
            raise SystemExit(f"{given.data} holds no collection {name}; --data names the folder")
    encoders = Encoders(given.embeddings, not given.no_late_interaction)
    reranker = CrossEncoderReranker(given.reranker) if given.reranker else None
    rows = []
    with opened(given.database_url) as engine:
        for name in given.collections:
            judged = read_judged(given.data, name, 0)
            rows.append(compare(engine, judged, encoders, given.questions, reranker))
            if given.json:
                figures = [
                    {
                        "collection": row.judged.name,
                        "agreement": row.agreement,
                        "reported": row.reported,
                    }
                    for row in rows
                ]
                given.json.write_text(json.dumps(figures, indent=1))
    print_choice(rows)
    print_report(rows)


if __name__ == "__main__":
    main()
