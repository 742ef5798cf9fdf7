"""Which role may call what, and what a function does with the rights of its owner."""

import psycopg
import pytest
from statements import column, failure, put, value

READER, WRITER, OWNER = ROLES = ("retrieval_reader", "retrieval_writer", "retrieval_owner")
FUNCTIONS = "from pg_proc p where p.pronamespace = 'retrieval'::regnamespace"
LISTED = """select f.name from retrieval._permissions() p, unnest(p.functions) f(name)
            where p.granted_to is not distinct from coalesce(%s, p.granted_to)"""
OF_OWNER = "select f from retrieval._permissions() p, unnest(p.functions) f where p.of_owner"
PRIVATE = "p.proname ~ '^_'"
HYBRID = """select document_key from retrieval.hybrid_search(
                'c', 'wheel', '[1,0]', query_embeddings => '{"s": [1, 0]}', boosts => '[]',
                duplicate_similarity => 0.9, per_document => 1, mmr_lambda => 0.5)"""
QUERY = "00000000-0000-4000-8000-000000000000"
# what a reader finds out without a collection of much content; each returns without an error
SEARCHES = [
    "adapt_query('c', '[1,0]')",
    "boost('c', %(ids)s, '{1}', '[]')",
    "chunk_count('c')",
    "collapse_duplicates('c', %(ids)s, '{1}')",
    "collection_settings('c')",
    "count_jobs('c')",
    "count_matches('c', 'wheel', '{\"year\": {\"$gt\": 2000}}')",
    "current_tenant()",
    "diversify('c', %(ids)s, '{1}')",
    "document_search('c', 'wheel', '[1,0]')",
    "evaluation_queries('c', (select max(evaluation_id) from retrieval.list_evaluations('c')))",
    "explain_keyword_search('c', 'wheel')",
    "explain_search('c', 'wheel', '[1,0]')",
    "facets('c', '{year}', 'wheel')",
    "failed_jobs('c')",
    "highlight('c', 'a wheel', 'wheel')",
    "keyword_search('c', '\"the wheel\" -brake or whe*', '{\"year\": 2026}')",
    "late_interaction_search('c', '{\"[1,0]\"}', space => 't')",
    "list_collections()",
    "list_evaluations('c')",
    "list_spaces('c')",
    f"log_query('c', 'wheel', '{{bicycle}}', query_id => '{QUERY}')",
    f"log_click('{QUERY}', 'bicycle')",
    "more_like_this('c', 'bicycle')",
    "neighbouring_chunks((%(ids)s::bigint[])[1])",
    "packed_tokens('c', %(ids)s, 't')",
    "passages('c', %(ids)s)",
    "recommend('c', %(ids)s)",
    "recommend_documents('c', '{bicycle}')",
    "sample_chunks('c', chunk_ids => %(ids)s)",
    "semantic_search('c', '[1,0]', '{\"year\": {\"$gt\": 2000}}')",
    "sparse_search('c', '{1:1}/2', space => 'p')",
    'compile_filter(\'{"year": {"$in": [1, 2]}}\')',
    "estimate_space(1000, 384)",
    "fuse('{a,a}', '{x,y}'::text[], '{1,2}')",
    "keep_largest('{1:1,2:2}/2', 1)",
    "lexeme_length(retrieval.to_lexemes('english', '題', 'b', 'c'))",
    "max_sim('{\"[1,0]\"}', '{\"[1,0]\"}')",
    "segment('日本語')",
    "split_text('One. Two.')",
    "truncate_embedding('[1,2,3]', 2)",
    "cached_embeddings('{}', '{}')",
    "golden_queries('c', 'g')",
    "judgements('c', 'g')",
    "list_golden_sets('c')",
]

REFUSED_TO_READERS = [
    "select retrieval.query_report('c')",
    "select retrieval.forget_queries('c')",
    "select retrieval.put_documents('c', '[]')",
    "select retrieval.delete_document('c', 'bicycle')",
    "select retrieval.create_collection('d')",
    "select retrieval.create_golden_set('c', 'h')",
    "select retrieval.put_judgements('c', 'g', '[]')",
    "select retrieval.trim_evaluations('c', '0')",
    "select retrieval.job_chunks('{1}')",
    "select retrieval.cache_embeddings('{}', '{}', '{}')",
    "select retrieval._chunk_count(1)",
    "select retrieval._estimate_rows('select 1')",
    "select retrieval.grant_roles()",
    "delete from retrieval.documents",
    "update retrieval.collections set settings = '{}'",
    "update retrieval.spaces set state = 'retired'",
    "truncate retrieval.chunks",
    *(
        f"select from retrieval.{table}"
        for table in (
            *("jobs", "finished_jobs", "embedding_cache", "context_cache", "query_adapters"),
            *("chunk_statistics", "lexeme_statistics", "attached_tables"),
            *("attached_table_failures", "golden_sets", "golden_queries", "judgements"),
            *("evaluations", "evaluation_queries"),
            *("logged_queries", "logged_clicks"),
        )
    ),
]
REFUSED_TO_WRITERS = [
    "select retrieval.create_collection('d')",
    "select retrieval.drop_collection('c')",
    "select retrieval.create_space('c', 'd', 'm', 2)",
    "select retrieval.drop_space('c', 's')",
    "select retrieval.claim_jobs('w')",
    "select retrieval.set_ranking('c')",
    "select retrieval.set_query_logging('c')",
    "select retrieval.import_embeddings('c', 's', 'pg_class', 'relname', 'relname')",
    "select retrieval.attach_table('pg_class', 'c', 'relname', 'relname')",
    "truncate retrieval.documents",
    "insert into retrieval.chunk_statistics values (1, 'english', 1, 1)",
    "update retrieval.collections set settings = '{}'",
    "create table retrieval.mine (id bigint)",
]


@pytest.fixture
def filled(sql: psycopg.Cursor) -> psycopg.Cursor:
    """The collection c with two documents and a space of each kind."""
    sql.execute("select retrieval.create_collection(name) from unnest('{c,empty}'::text[]) name")
    sql.execute("select retrieval.index_metadata('c', 'year', 'numeric')")
    sql.execute("select retrieval.create_golden_set('c', 'g')")
    sql.execute("select retrieval.set_query_logging('c')")
    put(
        sql,
        "c",
        {"document_key": "bicycle", "content": "the wheel", "metadata": {"year": 2026}},
        {"document_key": "cart", "content": "another wheel", "metadata": {"year": 2025}},
    )
    for space, kind, function, embeddings in (
        ("s", "dense", "put_embeddings", "array['[1,0]', '[0,1]']::halfvec[]"),
        ("p", "sparse", "put_sparse_embeddings", "array['{1:1}/2', '{2:1}/2']::sparsevec[]"),
        ("t", "multivector", "put_token_embeddings", "'{1,1}', array['[1,0]', '[0,1]']::halfvec[]"),
    ):
        sql.execute(f"select retrieval.create_space('c', '{space}', 'm', 2, '{kind}')")
        sql.execute(f"select retrieval.{function}('c', '{space}', {IDS}, {embeddings})")
        sql.execute(f"select retrieval.activate_space('c', '{space}')")
    sql.execute(RECORD)
    return sql


IDS = "array(select chunk_id from retrieval.chunks order by 1)"
RECORD = """select retrieval.record_evaluation(
                'c', null, null, 'default', '{}', '{}', '{"AP": {"mean": 1}}',
                '[{"query_key": "q", "query_text": "wheel", "measures": {"AP": 1}}]')"""


@pytest.fixture
def login(sql: psycopg.Cursor) -> str:
    """A role of a user, a member of none."""
    sql.execute("create role somebody login")
    return "somebody"


def become(sql: psycopg.Cursor, login: str, role: str) -> None:
    """Go on as a user who was granted a role."""
    sql.execute(f"grant {role} to {login}; set session authorization {login}")


def test_every_public_function_is_listed_once(sql: psycopg.Cursor) -> None:
    listed = column(sql, LISTED, [None])
    assert len(listed) == len(set(listed))
    public = column(sql, f"select p.proname {FUNCTIONS} and not {PRIVATE}")
    assert sorted(public) == sorted(each for each in listed if not each.startswith("_"))
    private = {each for each in listed if each.startswith("_")}
    assert private <= set(column(sql, f"select p.proname {FUNCTIONS} and {PRIVATE}"))
    triggers = f"""select p.proname {FUNCTIONS} and p.prorettype = 'trigger'::regtype
                   and p.prosecdef"""
    ungranted = "select f from retrieval._permissions() p, unnest(p.functions) f"
    # what another function asks with the owner's rights, though it may have the caller's itself
    asked = {"_keeps_every_tenant"}
    assert set(column(sql, triggers)) | asked == set(
        column(sql, f"{ungranted} where p.granted_to is null")
    )


def test_each_role_may_call_what_is_listed_and_nobody_else(sql: psycopg.Cursor) -> None:
    may = f"select p.proname {FUNCTIONS} and has_function_privilege(%s, p.oid, 'execute')"
    pure = set(column(sql, f"select p.proname {FUNCTIONS} and {PRIVATE} and p.provolatile = 'i'"))
    reading, writing = (set(column(sql, LISTED, [role])) for role in (READER, WRITER))
    assert set(column(sql, may, ["public"])) == set()
    assert set(column(sql, may, [READER])) == reading | pure
    assert set(column(sql, may, [WRITER])) == reading | writing | pure
    assert set(column(sql, may, [OWNER])) == set(column(sql, f"select p.proname {FUNCTIONS}"))


def test_what_has_the_rights_of_the_owner_cannot_be_misled(sql: psycopg.Cursor) -> None:
    assert sorted(column(sql, f"select p.proname {FUNCTIONS} and p.prosecdef")) == sorted(
        column(sql, OF_OWNER)
    )
    # a path of its own, in which what a session has made for itself comes last
    paths = f"""select p.proname, p.prosecdef, (
                    select c from unnest(p.proconfig) c where c ~ '^search_path=') {FUNCTIONS}"""
    for name, has_owners_rights, path in sql.execute(paths).fetchall():
        assert path is None or path.endswith(", pg_temp"), name
        assert path is not None or not has_owners_rights, name
    # nothing that may name a table of the caller's or be of a type with functions of the caller's
    loose = f"""select p.proname {FUNCTIONS} and p.prosecdef and exists (
                    select from unnest(p.proargtypes) a join pg_type t on t.oid = a
                    where t.typname ~ '^_?reg' or t.typtype in ('p', 'c')
                       or t.typnamespace = 'retrieval'::regnamespace)"""
    assert column(sql, loose) == []


def test_everything_belongs_to_the_owner(filled: psycopg.Cursor) -> None:
    owners = """select proowner::regrole::text from pg_proc
                where pronamespace = 'retrieval'::regnamespace
                union select relowner::regrole::text from pg_class
                where relnamespace = 'retrieval'::regnamespace
                union select nspowner::regrole::text from pg_namespace
                where nspname = 'retrieval'"""
    assert column(filled, owners) == [OWNER]
    powers = """select rolsuper or rolcreaterole or rolcreatedb or rolcanlogin or rolbypassrls
                       or rolreplication from pg_roles where rolname = any (%s)"""
    assert column(filled, powers, [list(ROLES)]) == [False] * 3
    assert value(filled, f"select pg_has_role('{WRITER}', '{READER}', 'usage')")
    for member, role in ((WRITER, OWNER), (READER, WRITER), (OWNER, WRITER)):
        assert not value(filled, f"select pg_has_role('{member}', '{role}', 'member')")


def test_a_reader_searches(filled: psycopg.Cursor, login: str) -> None:
    tried = {each.split("(")[0] for each in SEARCHES} | {"hybrid_search", "to_lexemes"}
    assert tried == set(column(filled, LISTED, [READER]))
    ids = {"ids": column(filled, "select chunk_id from retrieval.chunks order by 1")[:1]}
    expected = column(filled, HYBRID)
    assert expected == ["bicycle", "cart"]
    become(filled, login, READER)
    assert column(filled, HYBRID) == expected
    for each in SEARCHES:
        filled.execute(f"select * from retrieval.{each}", ids)
    read = "select count(*) from retrieval.{}"
    for table in ("collections", "documents", "chunks", "spaces", "metadata_indexes"):
        assert value(filled, read.format(table)) > 0
    for table in ("embeddings", "sparse_embeddings", "token_embeddings"):
        assert value(filled, read.format(table)) == 2
    assert value(filled, "select version_num from retrieval.alembic_version")


def test_a_reader_does_nothing_else(filled: psycopg.Cursor, login: str) -> None:
    become(filled, login, READER)
    for statement in REFUSED_TO_READERS:
        assert failure(filled, statement).sqlstate == "42501", statement


def test_a_member_of_none_may_nothing(filled: psycopg.Cursor, login: str) -> None:
    filled.execute(f"set session authorization {login}")
    assert failure(filled, "select retrieval.segment('a')").sqlstate == "42501"
    assert failure(filled, "select from retrieval.documents").sqlstate == "42501"


def test_a_writer_writes_by_functions(filled: psycopg.Cursor, login: str) -> None:
    become(filled, login, WRITER)
    put(filled, "c", {"document_key": "sledge", "content": "no wheel"})
    filled.execute("select retrieval.add_document('c', 'ski', 'a wheel is of no use')")
    assert value(filled, "select retrieval.has_jobs('c', 's')")
    missing = "select chunk_id from retrieval.missing_embeddings('c', 's')"
    chunks = column(filled, missing)
    assert len(chunks) == 2
    assert column(filled, "select (retrieval.written_spaces('c')).name") == ["s", "p", "t"]
    filled.execute(
        "select retrieval.put_embeddings('c', 's', %s, '{\"[1,1]\",\"[1,2]\"}')", [chunks]
    )
    assert column(filled, missing) == []
    for upkeep in ("enqueue_missing", "calibrate", "tidy_collection", "build_index"):
        filled.execute(f"select retrieval.{upkeep}('c')")
    filled.execute("select retrieval.trim_embedding_cache(0)")
    query = value(filled, "select retrieval.add_golden_query('c', 'g', 'a wheel')")
    filled.execute(
        "select retrieval.put_judgements('c', 'g', jsonb_build_array(jsonb_build_object("
        "'query_key', %s::text, 'document_key', 'bicycle', 'grade', 1)))",
        [query],
    )
    filled.execute("select retrieval.drop_golden_set('c', 'g')")
    filled.execute(f"select retrieval.delete_evaluation('c', ({RECORD}))")
    assert value(filled, "select retrieval.trim_evaluations('c', '0')") == 1
    words = "select document_key from retrieval.keyword_search('c', 'wheel') order by 1"
    assert column(filled, words) == ["bicycle", "cart", "ski", "sledge"]
    assert value(filled, "select retrieval.delete_documents('c', '{ski,sledge}')") == 2
    assert column(filled, words) == ["bicycle", "cart"]
    assert column(filled, HYBRID) == ["bicycle", "cart"]


def test_a_writer_writes_tables(filled: psycopg.Cursor, login: str) -> None:
    queued = "select retrieval.has_jobs('empty')"
    filled.execute("select retrieval.create_space('empty', 's', 'm', 2)")
    filled.execute("select retrieval.create_space('empty', 't', 'm', 2, 'multivector')")
    become(filled, login, WRITER)
    assert not value(filled, queued)
    document = value(
        filled,
        """insert into retrieval.documents (collection_id, document_key, title, metadata)
           select collection_id, 'sledge', 'Snow', '{"year": 1}'
           from retrieval.collections where name = 'empty' returning document_id""",
    )
    filled.execute(
        """insert into retrieval.chunks (collection_id, document_id, position, content)
           select collection_id, document_id, 0, '雪橇 no wheels'
           from retrieval.documents where document_id = %s""",
        [document],
    )
    for table, kind, embedding in (
        ("embeddings", "dense", "'[1,0]'"),
        ("token_embeddings", "multivector", "'{\"[1,0]\"}'"),
    ):
        filled.execute(
            f"""insert into retrieval.{table}
                select s.space_id, collection_id, chunk_id, {embedding}
                from retrieval.chunks join retrieval.collections n using (collection_id)
                join retrieval.spaces s using (collection_id)
                where n.name = 'empty' and s.kind = '{kind}'"""
        )
    # what follows is done by triggers: copies, statistics, the queue
    found = """select title, metadata ->> 'year' from retrieval.keyword_search(
                   'empty', 'wheel 雪橇', '{"year": 1}')"""
    assert filled.execute(found).fetchall() == [("Snow", "1")]
    assert value(filled, queued)
    assert value(filled, "select retrieval.chunk_count('empty')") == 1
    filled.execute("update retrieval.documents set content = 'cut anew' where title = 'Snow'")
    assert value(filled, "select content from retrieval.keyword_search('empty', 'anew')")
    assert value(filled, "select count(*) from retrieval.embeddings") == 2
    filled.execute("delete from retrieval.documents where title = 'Snow'")
    assert value(filled, "select retrieval.chunk_count('empty')") == 0
    assert failure(filled, "select from retrieval.jobs").sqlstate == "42501"


def test_a_writer_does_nothing_else(filled: psycopg.Cursor, login: str) -> None:
    become(filled, login, WRITER)
    for statement in REFUSED_TO_WRITERS:
        assert failure(filled, statement).sqlstate == "42501", statement


def test_owners_share_what_they_make(filled: psycopg.Cursor, login: str) -> None:
    filled.execute(f"create role another login in role {OWNER}")
    filled.execute(f"create schema mine authorization {login}")
    become(filled, login, OWNER)
    filled.execute(
        "create table mine.products (id bigint primary key, name text);"
        "insert into mine.products values (1, 'wheel')"
    )
    filled.execute("select retrieval.create_collection('d')")
    assert value(filled, "select retrieval.attach_table('mine.products', 'd', 'id', 'name')") == 1
    filled.execute("select retrieval.create_space('d', 's', 'm', 2)")
    filled.execute("insert into mine.products values (2, 'another wheel')")
    claimed = "select cardinality(chunk_ids) from retrieval.claim_jobs('w', 'd')"
    assert column(filled, claimed) == [1, 1]
    filled.execute(
        "create temp table made on commit drop as"
        " select id, array[1, id]::real[] as embedding from mine.products"
    )
    imported = (
        "select imported from retrieval.import_embeddings('d', 's', 'made', 'id', 'embedding')"
    )
    assert value(filled, imported) == 2
    filled.execute("select retrieval.build_index('d', 's'), retrieval.activate_space('d', 's')")
    filled.execute("reset session authorization; set session authorization another")
    searched = "select document_key from retrieval.hybrid_search('d', 'wheel', '[1,2]')"
    assert sorted(column(filled, searched)) == ["1", "2"]
    filled.execute("select retrieval.refresh_statistics('d'), retrieval.tidy_collection('d')")
    filled.execute("select retrieval.drop_space('d', 's', true), retrieval.drop_collection('d')")
    # the triggers of somebody's table are somebody's to drop; they find nothing to do
    filled.execute(f"reset session authorization; set session authorization {login}")
    filled.execute("insert into mine.products values (3, 'a third')")
    filled.execute("reset session authorization")


def test_a_dropped_collection_leaves_no_triggers(sql: psycopg.Cursor) -> None:
    sql.execute("create table products (id bigint primary key, name text)")
    sql.execute("select retrieval.create_collection('d')")
    sql.execute("select retrieval.attach_table('products', 'd', 'id', 'name')")
    sql.execute("select retrieval.drop_collection('d')")
    assert column(sql, "select from pg_trigger where tgrelid = 'products'::regclass") == []


def test_nothing_of_a_caller_runs_with_the_rights_of_the_owner(
    filled: psycopg.Cursor, login: str
) -> None:
    filled.execute(f"create schema evil authorization {login}")
    ids = column(filled, "select chunk_id from retrieval.chunks order by 1")[:1]
    become(filled, login, WRITER)
    filled.execute(
        f"""create function evil.spring(a text) returns text language plpgsql as $$
            begin
                if current_user = '{OWNER}' then raise 'sprung'; end if;
                return a;
            end $$;
            create function evil.spring(a text, b text) returns boolean language sql
                return evil.spring(a) is not null;
            create function evil.lower(a text) returns text language sql return evil.spring(a);
            create function evil.format(a text, b text) returns text language sql
                return evil.spring(a);
            create operator evil.= (leftarg = text, rightarg = text, function = evil.spring);
            create operator evil.<> (leftarg = text, rightarg = text, function = evil.spring);
            create domain pg_temp.text as pg_catalog.text check (evil.spring(value) is not null);
            create domain pg_temp.int8 as pg_catalog.int8
                check (evil.spring('') is not null);
            create temp table spaces (space_id bigint);
            set search_path = evil, pg_temp, pg_catalog, public"""
    )
    assert column(filled, HYBRID) == ["bicycle", "cart"]
    of_owner = column(filled, OF_OWNER)
    for each in SEARCHES:
        if each.split("(")[0] in of_owner:
            filled.execute(f"select from retrieval.{each}", {"ids": ids})
    put(filled, "c", {"document_key": "new", "content": "wheel", "text_config": "german"})
    filled.execute("update retrieval.documents set content = 'another wheel', title = 'b'")
    filled.execute("delete from retrieval.documents")
    filled.execute("set search_path = pg_catalog; discard temp")
