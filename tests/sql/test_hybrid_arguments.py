"""Every argument of a hybrid search that cannot be used gets one error, which names it."""

import re
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.rows import namedtuple_row
from statements import failure, put, value
from vectors import create_space, embed

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

FUNCTIONS = ["hybrid_search", "explain_search", "document_search"]
SIGNATURE = {"model": "m"}
KINDS = {"s": "dense", "lists": "dense", "terms": "sparse", "tokens": "multivector"}


@pytest.fixture(scope="module")
def session(module_database_url: str) -> Iterator[psycopg.Connection]:
    """The collection c with two chunks, and a space of each kind that says who made it."""
    with psycopg.connect(
        module_database_url, autocommit=True, row_factory=namedtuple_row
    ) as opened:
        opened.execute("select retrieval.create_collection('c')")
        rows = put(opened, "c", *({"document_key": key, "content": "ant"} for key in "ab"))
        chunks = [row.chunk_id for row in rows]
        for name, kind in (KINDS | {"keyword": "dense"}).items():
            options = {"index_method": "ivfflat"} if name == "lists" else {}
            create_space(opened, name, 2, kind=kind, signature=SIGNATURE, **options)
            embed(opened, name, chunks, [[1, 0], [0, 1]], kind)
            opened.execute("select retrieval.build_index('c', %s, %s)", [name, kind])
            if name in ("s", "terms", "tokens"):
                opened.execute("select retrieval.activate_space('c', %s)", [name])
        yield opened


def refused(session: psycopg.Connection, function: str, arguments: str) -> tuple[str, str]:
    """The error's state and its one line, in which nothing speaks of the inside."""
    error = failure(session, f"select * from retrieval.{function}({arguments})")
    message = error.diag.message_primary
    assert message is not None
    assert not re.search(r"syntax|jsonb|type (double|integer)|cannot|function|record", message)
    return str(error.sqlstate), message


LEGS = "query_text or query_embedding must be given"
EMBEDDINGS = [
    ("[]", "query_embeddings must be an object such as"),
    ("null", "query_embeddings must be an object such as"),
    ('{"keyword": [1, 0]}', "query_embeddings: a space called keyword would be mistaken for"),
    ('{"s": [1]}', "query_embeddings: the value of s has 1 dimensions, space s has 2"),
    ('{"s": [0, 0]}', "query_embeddings: the value of s is all zeros"),
    ('{"s": "x"}', "query_embeddings: the value of s must be a vector such as [0.1, 0.2]"),
    ('{"s": null}', "query_embeddings: the value of s must be a vector"),
    ('{"s": {}}', "query_embeddings: the value of s must be a vector"),
    ('{"s": []}', "query_embeddings: the value of s must be a vector"),
    ('{"s": [1, "a"]}', "query_embeddings: the value of s must be a vector"),
    ('{"s": [1, null]}', "query_embeddings: the value of s must be a vector"),
    ('{"s": [1, 1e9]}', "query_embeddings: the value of s must be a vector"),
    ('{"s": 7}', "query_embeddings: the value of s must be a vector"),
    ('{"s": true}', "query_embeddings: the value of s must be a vector"),
    (f'{{"s": [{"1," * 17000}1]}}', "query_embeddings: the value of s must be a vector"),
    ('{"terms": [1, 0]}', "query_embeddings: the value of terms must be a sparse vector"),
    ('{"terms": "{3:1}/2"}', "query_embeddings: the value of terms must be a sparse vector"),
    ('{"terms": "{1:1}/3"}', "query_embeddings: the value of terms has 3 dimensions"),
    ('{"terms": null}', "query_embeddings: the value of terms must be a sparse vector"),
    ('{"tokens": [1, 0]}', "query_embeddings: the value of tokens must be an array of vectors"),
    ('{"tokens": {}}', "query_embeddings: the value of tokens must be an array of vectors"),
    ('{"tokens": null}', "query_embeddings: the value of tokens must be an array of vectors"),
    ('{"tokens": [null]}', "query_embeddings: the value of tokens must be an array of vectors"),
    ('{"tokens": []}', "query_embeddings: the value of tokens must hold a vector"),
    ('{"tokens": [[1]]}', "query_embeddings: the value of tokens must be vectors of 2"),
    ('{"tokens": [[1, 0], [1]]}', "query_embeddings: the value of tokens must be vectors of 2"),
    ('{"tokens": [[0, 0]]}', "query_embeddings: the value of tokens must be vectors of 2"),
]
WRONG = [
    ("max_results => 0", "max_results must be between 1 and 10000, not 0"),
    ("max_results => null", "max_results must be between 1 and 10000, not null"),
    ("candidates => 0", "candidates must be between 1 and 10000, not 0"),
    ("candidates => 10001", "candidates must be between 1 and 10000, not 10001"),
    ("k1 => -0.1", "k1 must be between 0 and 100, not -0.1"),
    ("k1 => 101", "k1 must be between 0 and 100, not 101"),
    ("k1 => 'NaN'", "k1 must be between 0 and 100, not NaN"),
    ("b => -0.1", "b must be between 0 and 1, not -0.1"),
    ("b => 1.1", "b must be between 0 and 1, not 1.1"),
    ("b => 'NaN'", "b must be between 0 and 1, not NaN"),
    ("field_weights => '[]'", "field_weights must be an object such as"),
    (
        "field_weights => '{\"body\": 1}'",
        "field_weights: field must be one of title, context, content",
    ),
    (
        "field_weights => '{\"title\": 1e-400}'",
        "field_weights: title must be a number from 0 to 1000",
    ),
    ("fusion => 'sum'", "fusion must be one of rrf, relative, dbsf, not 'sum'"),
    ("fusion => ''", "fusion must be one of rrf, relative, dbsf, not ''"),
    ("rrf_k => 0", "rrf_k must be between 1 and 1000000, not 0"),
    ("rrf_k => 1000001", "rrf_k must be between 1 and 1000000, not 1000001"),
    ("keyword_operator => 'not'", "keyword_operator must be one of or, and, not 'not'"),
    ("keyword_operator => null", "keyword_operator must be one of or, and, not null"),
    ("late_interaction => 'all'", "late_interaction must be one of candidates, collection"),
    ("weights => '[]'", "weights must be an object"),
    ("weights => 'null'", "weights must be an object"),
    ("weights => '{\"keyword\": -1}'", "weights: keyword must be a number from 0 to"),
    ('weights => \'{"keyword": "1"}\'', "weights: keyword must be a number from 0 to"),
    ("weights => '{\"keyword\": null}'", "weights: keyword must be a number from 0 to"),
    ("weights => '{\"keyword\": true}'", "weights: keyword must be a number from 0 to"),
    ("weights => '{\"keyword\": 1e400}'", "weights: keyword must be a number from 0 to"),
    ("weights => '{\"keyword\": 1e-400}'", "weights: keyword must be a number from 0 to"),
    ("weights => '{\"keyword\": 0}'", "weights must not all be 0"),
    (
        "query_embedding => '[1,0]', weights => '{\"keyword\": 0, \"semantic\": 0}'",
        "weights must not all be 0",
    ),
    ("weights => '{\"x\": 1}'", "weights: leg must be one of keyword, not 'x'"),
    ("weights => '{\"\": 1}'", "weights: leg must be one of keyword, not ''"),
    (
        "query_embeddings => '{\"s\": [1, 0]}', weights => '{\"lists\": 1}'",
        "weights: leg must be one of keyword, s, not 'lists'",
    ),
    ("leg_candidates => null", "leg_candidates must be an object such as"),
    ("leg_candidates => '5'", "leg_candidates must be an object such as"),
    ("leg_candidates => '{\"keyword\": 0}'", "leg_candidates: keyword must be between 1 and"),
    ("leg_candidates => '{\"keyword\": 10001}'", "leg_candidates: keyword must be between 1 and"),
    ("leg_candidates => '{\"keyword\": -1}'", "leg_candidates: keyword must be a whole number"),
    ("leg_candidates => '{\"keyword\": 1.5}'", "leg_candidates: keyword must be a whole number"),
    ("leg_candidates => '{\"keyword\": 1e99}'", "leg_candidates: keyword must be a whole number"),
    ('leg_candidates => \'{"keyword": "9"}\'', "leg_candidates: keyword must be a whole number"),
    ("leg_candidates => '{\"keyword\": null}'", "leg_candidates: keyword must be a whole number"),
    ("leg_candidates => '{\"x\": 5}'", "leg_candidates: leg must be one of keyword, not 'x'"),
    ("leg_signatures => '[]'", "leg_signatures must be an object such as"),
    ("leg_signatures => '{\"x\": {}}'", "leg_signatures: leg must be one of keyword, not 'x'"),
    (
        "query_sparse => '{1:1}/2', leg_signatures => '{\"sparse\": 7}'",
        "leg_signatures: sparse must be an object such as",
    ),
    ("query_embedding => '[1,0]', signature => '[]'", "signature must be an object such as"),
    ("query_embedding => '[1]'", "query_embedding has 1 dimensions, space s has 2"),
    ("query_embedding => '[0,0]'", "query_embedding is all zeros"),
    ("query_embedding => '[1,0]', search_effort => 0", "search_effort must be between 1 and 1000"),
    (
        "query_embeddings => '{\"lists\": [1, 0]}', search_effort => 32769",
        "search_effort must be between 1 and 32768, not 32769",
    ),
    ("query_sparse => '{1:1}/2', search_effort => 1001", "search_effort must be between 1 and"),
    ("query_sparse => '{1:1}/3'", "query_sparse has 3 dimensions, space terms has 2"),
    ("query_tokens => '{}'", "query_tokens must hold a vector"),
    ("query_tokens => '{\"[1]\"}'", "query_tokens must be vectors of 2 dimensions"),
    ("query_tokens => '{\"[1,0]\",null}'", "query_tokens must be vectors of 2 dimensions"),
    ("query_tokens => '{\"[0,0]\"}'", "query_tokens must be vectors of 2 dimensions"),
    ('query_tokens => \'{{"[1,0]","[0,1]"}}\'', "query_tokens must be vectors of 2 dimensions"),
    ("query_embedding => '[1,0]', space => 'terms'", "space terms is sparse, not dense"),
    ("metadata_filter => '{\"$x\": 1}'", "$x"),
]
OF_HITS = [
    ("per_document => 0", "per_document must be between 1 and 10000, not 0"),
    ("per_document => -1", "per_document must be between 1 and 10000, not -1"),
    ("mmr_lambda => 1.5", "mmr_lambda must be between 0 and 1, not 1.5"),
    ("mmr_lambda => -0.1", "mmr_lambda must be between 0 and 1, not -0.1"),
    ("mmr_lambda => 'NaN'", "mmr_lambda must be between 0 and 1, not NaN"),
    ("duplicate_similarity => 1.5", "duplicate_similarity must be between 0 and 1, not 1.5"),
    ("duplicate_similarity => -1", "duplicate_similarity must be between 0 and 1, not -1"),
    ("result_offset => -1", "result_offset must be 0 or more, not -1"),
    ("result_offset => null", "result_offset must be 0 or more, not null"),
    ("result_offset => 91", "result_offset + max_results must be at most candidates, which is 100"),
    ("result_offset => 1, max_results => 100", "must be at most candidates, which is 100, not 101"),
    ("result_offset => 2147483647", "must be at most candidates, which is 100, not 2147483657"),
]


@pytest.mark.parametrize(
    ("arguments", "message"), [*WRONG, *((f"query_embeddings => '{e}'", m) for e, m in EMBEDDINGS)]
)
def test_unusable_arguments(session: psycopg.Connection, arguments: str, message: str) -> None:
    for function in FUNCTIONS:
        state, said = refused(session, function, f"'c', 'ant', {arguments}")
        assert state == "22023"
        assert message in said


@pytest.mark.parametrize(("arguments", "message"), OF_HITS)
def test_unusable_arguments_of_hits(
    session: psycopg.Connection, arguments: str, message: str
) -> None:
    for function in ("hybrid_search", "explain_search"):
        state, said = refused(session, function, f"'c', 'ant', {arguments}")
        assert state == "22023"
        assert message in said


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_there_is_not(session: psycopg.Connection, function: str) -> None:
    for arguments, state, message in (
        ("'c'", "22004", LEGS),
        ("'c', null, null", "22004", LEGS),
        ("'c', query_embeddings => '{}'", "22004", LEGS),
        ("'c', weights => '{}'", "22004", LEGS),
        ("'x', 'ant'", "42704", "collection x does not exist"),
        ("null, 'ant'", "42704", "collection null does not exist"),
        ("'c', query_embedding => '[1,0]', space => 'x'", "42704", "space x does not exist"),
        ("'c', query_embeddings => '{\"x\": [1, 0]}'", "42704", "space x does not exist"),
        ("'c', query_embeddings => '{\"\": [1, 0]}'", "42704", 'space "" does not exist'),
    ):
        assert refused(session, function, arguments)[0] == state
        assert message in refused(session, function, arguments)[1]


@pytest.mark.parametrize("parameter", ["weights", "leg_candidates", "leg_signatures"])
def test_a_leg_without_its_query(session: psycopg.Connection, parameter: str) -> None:
    value_ = "{}" if parameter == "leg_signatures" else "1"
    for leg, query in (
        ("keyword", "query_text"),
        ("semantic", "query_embedding"),
        ("sparse", "query_sparse"),
        ("late_interaction", "query_tokens"),
    ):
        asked = {
            "keyword": "query_sparse => '{1:1}/2'",
            "sparse": "query_text => 'ant'",
        }.get(leg, "query_text => 'ant', query_sparse => '{1:1}/2'")
        arguments = f"'c', {asked}, {parameter} => '{{\"{leg}\": {value_}}}'"
        state, said = refused(session, "hybrid_search", arguments)
        assert state == "22023"
        assert said == f"{parameter}: leg {leg} has no query, {query} is not given"


def test_another_model(session: psycopg.Connection) -> None:
    other = '{"model": "other"}'
    for arguments, space in (
        (f"query_embedding => '[1,0]', signature => '{other}'", "s"),
        (f"query_embedding => '[1,0]', leg_signatures => '{{\"semantic\": {other}}}'", "s"),
        (f"query_sparse => '{{1:1}}/2', leg_signatures => '{{\"sparse\": {other}}}'", "terms"),
        (
            "query_tokens => '{\"[1,0]\"}',"
            f" leg_signatures => '{{\"late_interaction\": {other}}}'",
            "tokens",
        ),
        *(
            (
                f"query_embeddings => '{{\"{name}\": {query}}}',"
                f" leg_signatures => '{{\"{name}\": {other}}}'",
                name,
            )
            for name, query in (("s", "[1]"), ("terms", '"{1:1}/2"'), ("tokens", "[[1, 0]]"))
        ),
    ):
        for function in FUNCTIONS:
            error = failure(session, f"select * from retrieval.{function}('c', {arguments})")
            assert (error.sqlstate, error.diag.constraint_name) == ("22023", "space_signature")
            assert error.diag.message_primary == (
                f"the embeddings of space {space} were made by another model:"
                ' model is "other", the space has "m"'
            )
        right = arguments.replace("other", "m").replace('"s": [1]', '"s": [1, 0]')
        assert value(session, f"select count(*) from retrieval.hybrid_search('c', {right})") == 2


def test_the_same_parameters(session: psycopg.Connection) -> None:
    """What explains a search takes all that it takes, what ranks documents all that fits."""
    given = {
        function: value(
            session,
            "select pg_get_function_arguments(%s::regproc)",
            [f"retrieval.{function}"],
        ).split(", ")
        for function in FUNCTIONS
    }
    assert given["explain_search"] == given["hybrid_search"]
    hits = {"duplicate_similarity", "per_document", "mmr_lambda", "result_offset"}
    documents = [one for one in given["document_search"] if not one.startswith("aggregation ")]
    assert documents == [one for one in given["hybrid_search"] if one.split()[0] not in hits]
