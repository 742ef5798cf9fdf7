"""How well keyword search ranks: nDCG@10 and Recall@100 on judged collections, beside others.

    python benchmarks/keyword_quality.py --data ../shared/data

Each document is one chunk, each question is asked as it stands. Its punctuation may be query syntax
("quoted", -excluded, prefix*), which demands; `keyword_search, words` asks without it. The other
systems see the same lexemes of the same chunks: `ts_rank_cd` over any of the question's lexemes,
`ts_rank_cd` over what `websearch_to_tsquery` demands, and BM25 by `bm25s`; for Chinese also `bm25s`
over the words that jieba finds. Before anything is printed, the first questions of each collection
are asked of both BM25s, and those that mean the same to both must score the same.

Everything happens in transactions that are rolled back, so nothing stays in the database.
"""

import argparse
import json
import logging
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from judged import CHINESE, LANGUAGES, Judged, read_judged
from servers import opened
from sqlalchemy import Connection, Engine, select, text

from retrieval import orm

try:
    import bm25s
    import ir_measures
    import jieba
except ImportError as error:
    raise SystemExit(
        f"{error.name} is missing; it comes with: pip install ir-measures bm25s jieba"
    ) from error

ENGLISH = ("cacm", "cranfield", "cystic-fibrosis", "medline", "nl2bash", "squad-dev")
MEASURES = [ir_measures.nDCG @ 10, ir_measures.R @ 100]
DATA = Path(__file__).resolve().parents[1] / "../shared/data"
DEPTH = 100
COLLECTION = "keyword_quality"
MOST_WORDS = 64  # that keyword_search ranks by

System = Callable[[str], list[str]]


class Loaded:
    """A judged collection in the database, and what PostgreSQL made of its texts."""

    def __init__(self, connection: Connection, judged: Judged) -> None:
        self.connection = connection
        self.text_config = judged.text_config
        self.collection_id = self._value(
            "select retrieval.create_collection(:name, :text_config)",
            name=COLLECTION,
            text_config=judged.text_config,
        )
        for start in range(0, len(judged.documents), 1000):
            batch = json.dumps(judged.documents[start : start + 1000])
            self._value(
                "select count(*) from retrieval.put_documents(:name, cast(:documents as jsonb))",
                name=COLLECTION,
                documents=batch,
            )
        self._value("select retrieval.tidy_collection(:name)", name=COLLECTION)
        rows = self._rows(
            """select d.document_key, array(select l.lexeme from unnest(c.lexemes) l) as lexemes,
                      array(select cardinality(l.positions) from unnest(c.lexemes) l) as counts
               from retrieval.chunks c join retrieval.documents d using (collection_id, document_id)
               where c.collection_id = :id order by c.chunk_id""",
            id=self.collection_id,
        )
        self.keys = [row.document_key for row in rows]
        self.chunks = [_repeated(row.lexemes, row.counts) for row in rows]

    def _rows(self, statement: str, **parameters: Any) -> Sequence[Any]:
        return self.connection.execute(text(statement), parameters).all()

    def _value(self, statement: str, **parameters: Any) -> Any:
        return self.connection.scalar(text(statement), parameters)

    def question_lexemes(self, question: str) -> list[str]:
        """The lexemes of a question, each as often as it occurs, whatever its punctuation says."""
        rows = self._rows(
            """select l.lexeme, cardinality(l.positions) as count
               from unnest(to_tsvector(cast(:text_config as regconfig),
                                       retrieval.segment(:question, false))) l""",
            text_config=self.text_config,
            question=question,
        )
        return _repeated([row.lexeme for row in rows], [row.count for row in rows])

    def keyword_search(
        self, question: str, field_weights: dict[str, float] | None = None
    ) -> list[tuple[str, float]]:
        """Keys and scores of the best documents by keyword_search."""
        hits = orm.keyword_search(
            COLLECTION, question, max_results=DEPTH, field_weights=field_weights
        )
        rows = self.connection.execute(select(hits.c.document_key, hits.c.score))
        return [(row.document_key, row.score) for row in rows]

    def ranked_words(self, question: str) -> Counter[str]:
        """The lexemes that keyword_search ranks a question by."""
        rows = self._rows(
            """select distinct lexeme, query_frequency
               from retrieval.explain_keyword_search(:name, :question, max_results => 1)""",
            name=COLLECTION,
            question=question,
        )
        return Counter({row.lexeme: row.query_frequency for row in rows})

    def any_lexeme(self, question: str) -> list[str]:
        """The best documents by ts_rank_cd over any lexeme of the question."""
        words = " | ".join(_quoted(each) for each in set(self.question_lexemes(question)))
        return self._by_cover_density("cast(:words as tsquery)", words=words)

    def web_search(self, question: str) -> list[str]:
        """The best documents by ts_rank_cd over what websearch_to_tsquery demands."""
        return self._by_cover_density(
            """websearch_to_tsquery(cast(:text_config as regconfig),
                                    retrieval.segment(:question, false))""",
            text_config=self.text_config,
            question=question,
        )

    def _by_cover_density(self, query: str, **parameters: str) -> list[str]:
        rows = self._rows(
            f"""select d.document_key
                from retrieval.chunks c
                join retrieval.documents d using (collection_id, document_id), {query} q
                where c.collection_id = :id and c.lexemes @@ q
                order by ts_rank_cd(c.lexemes, q) desc, c.chunk_id limit :depth""",
            id=self.collection_id,
            depth=DEPTH,
            **parameters,
        )
        return [row.document_key for row in rows]


def _repeated(words: Sequence[str], counts: Sequence[int]) -> list[str]:
    return [word for word, count in zip(words, counts, strict=True) for _ in range(count)]


def _quoted(lexeme: str) -> str:
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


class Reference:
    """BM25 by bm25s over given words."""

    def __init__(self, keys: list[str], chunks: list[list[str]]) -> None:
        self.keys = keys
        self.bm25 = bm25s.BM25(method="lucene", k1=1.2, b=0.75, dtype="float64")
        self.bm25.index(chunks, show_progress=False)

    def known(self, words: list[str]) -> list[str]:
        """Those of the words that occur in the collection."""
        return [word for word in words if word in self.bm25.vocab_dict]

    def search(self, words: list[str]) -> list[tuple[str, float]]:
        """Keys and scores of the best documents; ties in the order of the documents."""
        if not (known := self.known(words)):
            return []
        scores = self.bm25.get_scores(known).tolist()
        best = sorted(range(len(scores)), key=lambda number: -scores[number])[:DEPTH]
        return [(self.keys[number], scores[number]) for number in best if scores[number] > 0]


def without_syntax(question: str) -> str:
    """The question with what keyword_search takes for phrase, exclusion and prefix blanked."""
    return re.sub(r"(?<!\S)-+|\*(?!\S)", " ", question.replace('"', " "))


def jieba_words(content: str) -> list[str]:
    """The words of a Chinese text, long ones with the shorter ones inside."""
    words = jieba.lcut_for_search(unicodedata.normalize("NFKC", content).lower())
    return [word for word in words if any(character.isalnum() for character in word)]


def check_equal_scores(loaded: Loaded, reference: Reference, questions: list[str]) -> int:
    """Stop unless both BM25s give the same scores; returns how many questions could be compared.

    Those could that mean the same to both: no phrase, exclusion, prefix or single character.
    """
    compared = 0
    for question in questions:
        words = loaded.question_lexemes(question)
        ranked_words = loaded.ranked_words(question)
        if (
            '"' in question
            or " -" in f" {question}"
            or len(ranked_words) > MOST_WORDS
            or ranked_words != Counter(reference.known(words))
        ):
            continue
        ours = [score for _, score in loaded.keyword_search(question)]
        theirs = [score for _, score in reference.search(words)]
        if len(ours) != len(theirs) or not all(
            math.isclose(one, other, rel_tol=1e-4) for one, other in zip(ours, theirs, strict=True)
        ):
            raise SystemExit(
                f"the scores differ from those of bm25s, so nothing is comparable: {question}"
            )
        compared += 1
    return compared


def systems(
    loaded: Loaded, judged: Judged, reference: Reference, field_weights: dict[str, float] | None
) -> Iterator[tuple[str, System]]:
    """The systems by name; each turns a question into document keys, best first."""
    yield (
        "keyword_search",
        lambda question: _keys(loaded.keyword_search(question, field_weights)),
    )
    yield (
        "keyword_search, words",
        lambda question: _keys(loaded.keyword_search(without_syntax(question), field_weights)),
    )
    yield "bm25s", lambda question: _keys(reference.search(loaded.question_lexemes(question)))
    yield "ts_rank_cd, or", loaded.any_lexeme
    yield "ts_rank_cd, websearch", loaded.web_search
    if judged.name in CHINESE:
        by_key = {each["document_key"]: each for each in judged.documents}
        texts = [f"{by_key[key]['title']}\n{by_key[key]['content']}" for key in loaded.keys]
        words = Reference(loaded.keys, [jieba_words(each) for each in texts])
        yield "bm25s, jieba", lambda question: _keys(words.search(jieba_words(question)))


def _keys(hits: list[tuple[str, float]]) -> list[str]:
    return [key for key, _ in hits]


def measure(judged: Judged, system: System) -> str:
    """nDCG@10 and Recall@100 of a system, as text."""
    # ranks instead of scores: otherwise ir-measures orders ties by key
    run = {
        key: {found: 1 / rank for rank, found in enumerate(system(question), start=1)}
        for key, question in judged.questions.items()
    }
    values = ir_measures.calc_aggregate(MEASURES, judged.judgements, run)
    return " / ".join(f"{values[each]:.4f}" for each in MEASURES)


def compare(
    engine: Engine, judged: Judged, field_weights: dict[str, float] | None
) -> dict[str, str]:
    """The row of a collection."""
    with engine.connect() as connection:
        loaded = Loaded(connection, judged)
        reference = Reference(loaded.keys, loaded.chunks)
        checked = check_equal_scores(loaded, reference, list(judged.questions.values())[:30])
        row = {
            "collection": judged.name,
            "documents": f"{len(judged.documents):,}",
            "questions": f"{len(judged.questions):,}",
            "checked": str(checked),
        }
        for name, system in systems(loaded, judged, reference, field_weights):
            row[name] = measure(judged, system)
        return row


def print_table(rows: list[dict[str, str]]) -> None:
    """One Markdown table; every cell of a system is nDCG@10 / Recall@100."""
    headings = list(dict.fromkeys(heading for row in rows for heading in row))
    print("| " + " | ".join(headings) + " |")
    print("|" + "|".join("---" for _ in headings) + "|")
    for row in rows:
        print("| " + " | ".join(row.get(heading, "") for heading in headings) + " |")


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER")
    parser.add_argument("--collections", nargs="*", default=[*ENGLISH, "cmrc2018", "csl"])
    parser.add_argument(
        "--languages",
        nargs="*",
        default=[],
        metavar="LANGUAGE",
        choices=[*LANGUAGES, "all"],
        help="languages of xquad-all, such as de and ru, or all",
    )
    parser.add_argument(
        "--queries", type=int, default=400, help="the first ones of each collection; 0 for all"
    )
    parser.add_argument("--field-weights", type=json.loads, metavar="JSON", help='{"title": 2}')
    parser.add_argument("--database-url", help="a database that `retrieval init` has prepared")
    return parser.parse_args()


def main() -> None:
    """Print the table."""
    given = arguments()
    jieba.setLogLevel(logging.WARNING)
    languages = LANGUAGES if "all" in given.languages else given.languages
    names = [*given.collections, *(f"xquad-all:{language}" for language in languages)]
    for name in names:
        if not (given.data / name.partition(":")[0] / "corpus.jsonl").exists():
            raise SystemExit(
                f"{given.data} holds no collection {name}; name the folder with --data"
            )
    with opened(given.database_url) as engine:
        judged = (read_judged(given.data, name, given.queries) for name in names)
        rows = [compare(engine, each, given.field_weights) for each in judged]
    print("nDCG@10 / Recall@100\n")
    print_table(rows)


if __name__ == "__main__":
    main()
