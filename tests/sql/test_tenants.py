"""Nothing that one tenant can ask or try tells it of another's documents."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb
from statements import column, failure, put, value, vector
from tenants import DIMENSIONS, DOCUMENTS, create, embeddings, enter, rows

SECRET = "zanzibar"
HAS_A_TENANT = ["documents", "chunks", "chunk_statistics", "lexeme_statistics", "tenant_settings"]
OF_A_CHUNK = ["embeddings", "sparse_embeddings", "token_embeddings"]
READ = ", ".join(
    f"retrieval.{table}" for table in [*HAS_A_TENANT, *OF_A_CHUNK, "collections", "spaces"]
)
NOWHERE = 987654321
ANY_VECTOR = vector(embeddings("acme", 1, 1)[0])


@pytest.fixture(scope="module")
def shared(module_database_url: str) -> Iterator[psycopg.Connection]:
    """A session on the collection that acme and bolt share; of the latter a document is secret."""
    with psycopg.connect(
        module_database_url, autocommit=True, row_factory=namedtuple_row
    ) as opened:
        create(opened, "shared", ["acme", "bolt", ""])
        enter(opened, "bolt")
        secret = {
            "document_key": f"{SECRET}-key",
            "title": f"{SECRET} title",
            "content": f"{SECRET} ant bee",
            "metadata": {"kind": SECRET, SECRET: 1},
            "source": f"/{SECRET}",
        }
        (chunk,) = put(opened, "shared", secret)
        opened.execute(
            "select retrieval.put_embeddings('shared', 's', %s, %s::halfvec[])",
            [[chunk.chunk_id], [ANY_VECTOR]],
        )
        opened.execute(
            "select retrieval.put_token_embeddings('shared', 'tokens', %s, '{1}', %s::halfvec[])",
            [[chunk.chunk_id], [ANY_VECTOR]],
        )
        opened.execute("select retrieval.calibrate('shared', 's', 1000)")
        enter(opened, "")
        yield opened


@pytest.fixture
def acme(shared: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """The session in the tenant acme, in a transaction that is rolled back."""
    with shared.transaction(force_rollback=True):
        shared.execute("set local retrieval.tenant = 'acme'")
        yield shared


@pytest.fixture
def role(acme: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """As a normal role of the database, with rights on the tables."""
    acme.execute(
        f"""create role visitor;
            grant usage on schema retrieval to visitor;
            grant select, insert, update, delete on {READ} to visitor;
            grant execute on all functions in schema retrieval to visitor;
            set local role visitor"""
    )
    yield acme


def bolt(session: psycopg.Connection, of: str = "chunk_id") -> int:
    """The id of what is secret, which somebody may guess."""
    return value(
        session,
        f"select {of} from retrieval.chunks where position = 0 and content like %s",
        [f"{SECRET}%"],
    )


@contextmanager
def owning(session: psycopg.Connection) -> Iterator[None]:
    """As the owner of the tables, who sees everything."""
    session.execute("set local role none")
    yield
    session.execute("set local role visitor")


# What can be asked

ASKED = [
    *(
        f"select * from retrieval.{search}('shared', '{SECRET} ant', max_results => 1000)"
        for search in ("keyword_search", "hybrid_search", "document_search")
    ),
    f"select * from retrieval.explain_keyword_search('shared', '{SECRET}* ant', null, 999)",
    f"select retrieval.explain_search('shared', '{SECRET} ant', max_results => 1000)",
    f"select retrieval.highlight('shared', 'zanzi zanzibar', '{SECRET[:5]}*')",
    f"select * from retrieval.semantic_search('shared', '{ANY_VECTOR}', max_results => 1000)",
    f"select * from retrieval.facets('shared', array['kind', '{SECRET}'], max_values => 99)",
    f"select * from retrieval.facets('shared', array['kind'], '{SECRET} ant')",
    "select * from retrieval.more_like_this('shared', '01', max_results => 1000, terms => 64)",
    "select * from retrieval.recommend_documents('shared', array['01'], max_results => 1000)",
    "select * from retrieval.export_embeddings('shared')",
    "select * from retrieval.sample_embeddings('shared', 's', 10000)",
    "select * from retrieval.missing_embeddings('shared', 's', 10000)",
    "select * from retrieval.failed_jobs('shared')",
    "select * from retrieval.describe_space('shared', 's', 10000)",
    "select retrieval.collection_settings('shared')",
    f"""select * from retrieval.keyword_search('shared', 'ant', '{{"kind": "{SECRET}"}}')""",
]


@pytest.mark.parametrize("statement", ASKED)
def test_no_answer_holds_what_is_secret(acme: psycopg.Connection, statement: str) -> None:
    ids = {of: bolt(acme, of) for of in ("chunk_id", "document_id")}
    answer = rows(acme, statement, {})
    if "highlight" not in statement:
        assert SECRET not in str(answer)
        assert not [each for each in answer for of in ids if each.get(of) == ids[of]]
    else:  # the given text, where only words of the collection are marked
        assert answer == [{"highlight": "zanzi zanzibar"}]
    acme.execute("set local retrieval.tenant = 'bolt'")
    if "missing" not in statement and "failed" not in statement:
        assert str(rows(acme, statement, {})) != str(answer)


def test_no_number_counts_others(acme: psycopg.Connection) -> None:
    held = value(acme, "select count(*) from retrieval.chunks where tenant = 'acme'")
    assert value(acme, "select retrieval.count_matches('shared', %s)", [SECRET]) == 0
    for space in acme.execute("select * from retrieval.list_spaces('shared')"):
        assert (space.embeddings, space.missing, space.bytes) == (held, 0, None)
    described = acme.execute("select * from retrieval.describe_space('shared')").fetchone()
    assert (described.embeddings, described.sampled) == (held, held)
    acme.execute("set local retrieval.tenant = 'nobody'")
    for space in acme.execute("select * from retrieval.list_spaces('shared')"):
        assert (space.embeddings, space.missing) == (0, 0)
    assert value(acme, "select retrieval.count_matches('shared', 'ant bee')") == 0
    assert value(acme, "select count(*) from retrieval.keyword_search('shared', 'ant')") == 0
    assert value(acme, "select count(*) from retrieval.count_jobs('shared')") == 0


BY_ID = [
    "select * from retrieval.recommend('shared', array[%(id)s::bigint])",
    """select * from retrieval.recommend('shared', array[(
           select min(chunk_id) from retrieval.chunks where tenant = 'acme')], array[%(id)s])""",
    "select * from retrieval.more_like_this('shared', example_chunk => %(id)s)",
    "select * from retrieval.passages('shared', array[%(id)s::bigint], array[1])",
    "select * from retrieval.boost('shared', array[%(id)s::bigint], array[1], '[]')",
    "select * from retrieval.diversify('shared', array[%(id)s::bigint], array[1])",
    "select * from retrieval.collapse_duplicates('shared', array[%(id)s::bigint], array[1])",
    "select * from retrieval.neighbouring_chunks(%(id)s)",
    "select * from retrieval.packed_tokens('shared', array[%(id)s::bigint])",
    "select * from retrieval.facets('shared', array['kind'], chunk_ids => array[%(id)s::bigint])",
    f"""select retrieval.put_embeddings('shared', 's', array[%(id)s::bigint],
                                        array['{ANY_VECTOR}']::halfvec[])""",
    f"""select retrieval.put_token_embeddings('shared', 'tokens', array[%(id)s::bigint], array[1],
                                              array['{ANY_VECTOR}']::halfvec[])""",
    f"""select retrieval.put_sparse_embeddings('shared', 'terms', array[%(id)s::bigint],
                                               array['{{1:1}}/{DIMENSIONS}']::sparsevec[])""",
    """select * from retrieval.unchanged_chunks('shared', array[%(id)s::bigint],
           (select array_agg(retrieval._embedded_text_hash(title, context, content))
            from retrieval.chunks where chunk_id = %(secret)s))""",
]
BY_KEY = [
    "select * from retrieval.recommend_documents('shared', array[%(key)s])",
    "select * from retrieval.more_like_this('shared', %(key)s)",
    "select retrieval.delete_documents('shared', array[%(key)s])",
    "select retrieval.delete_document('shared', %(key)s)",
]


def answered(session: psycopg.Connection, statement: str, given: dict[str, Any]) -> str:
    """The rows, or the error with all that belongs to it."""
    try:
        with session.transaction():
            return str(session.execute(statement, given).fetchall())
    except psycopg.Error as error:
        said = error.diag
        return " | ".join(
            str(part)
            for part in (
                said.sqlstate,
                said.message_primary,
                said.message_detail,
                said.message_hint,
            )
        )


@pytest.mark.parametrize("statement", BY_ID)
def test_an_id_of_another_is_one_of_nobody(acme: psycopg.Connection, statement: str) -> None:
    secret = bolt(acme)
    guessed = answered(acme, statement, {"id": secret, "secret": secret})
    invented = answered(acme, statement, {"id": NOWHERE, "secret": secret})
    assert guessed.replace(str(secret), "ID") == invented.replace(str(NOWHERE), "ID")
    assert SECRET not in guessed
    acme.execute("set local retrieval.tenant = 'bolt'")
    own = answered(acme, statement, {"id": secret, "secret": secret})
    assert own.replace(str(secret), "ID") != guessed.replace(str(secret), "ID")


@pytest.mark.parametrize("statement", BY_KEY)
def test_a_key_of_another_is_one_of_nobody(acme: psycopg.Connection, statement: str) -> None:
    key = f"{SECRET}-key"
    guessed = answered(acme, statement, {"key": key})
    invented = answered(acme, statement, {"key": "other-key"})
    assert guessed.replace(key, "KEY") == invented.replace("other-key", "KEY")
    acme.execute("set local retrieval.tenant = 'bolt'")
    assert answered(acme, statement, {"key": key}) != guessed


@pytest.mark.parametrize(
    "call",
    [
        "claim_jobs('w')",
        "extend_jobs('w')",
        "release_jobs('w')",
        "job_chunks('{1}')",
        "finish_jobs('{1}')",
        "fail_job(1, 'e')",
    ],
)
def test_the_queue_is_not_a_tenants(acme: psycopg.Connection, call: str) -> None:
    assert failure(acme, f"select * from retrieval.{call}").sqlstate == "42501"
    acme.execute("set local retrieval.tenant = ''")
    acme.execute(f"select * from retrieval.{call}")


# What can be written


def test_keys_of_others_are_free(acme: psycopg.Connection) -> None:
    counted = "select count(*) from retrieval.chunks where tenant = 'bolt'"
    before = value(acme, counted)
    key = f"{SECRET}-key"
    put(acme, "shared", {"document_key": key, "content": "mine"})
    acme.execute("select retrieval.add_document('shared', %s, 'mine as well')", [key])
    assert value(acme, "select retrieval.delete_document('shared', %s)", [key])
    assert value(acme, counted) == before
    assert value(acme, "select content from retrieval.chunks where chunk_id = %s", [bolt(acme)])
    acme.execute("set local retrieval.tenant = 'bolt'")
    assert value(acme, "select count(*) from retrieval.keyword_search('shared', %s)", [SECRET]) == 1


def test_an_attached_table_is_its_tenants(acme: psycopg.Connection) -> None:
    acme.execute("create table public.things (id text primary key, name text not null)")
    acme.execute("insert into public.things values ('00', 'quokka'), ('x', 'quokka')")
    attached = "select retrieval.attach_table('public.things', 'shared', 'id', content => 'name')"
    acme.execute("select retrieval.delete_document('shared', '00')")
    assert value(acme, attached) == 2
    found = "select document_key from retrieval.keyword_search('shared', 'quokka')"
    assert sorted(column(acme, found)) == ["00", "x"]
    acme.execute("set local retrieval.tenant = 'bolt'")
    assert column(acme, found) == []
    acme.execute("insert into public.things values ('y', 'quokka')")
    acme.execute("delete from public.things where id = '00'")
    assert column(acme, found) == []
    assert failure(acme, "select retrieval.detach_table('public.things')").sqlstate == "42704"
    assert value(acme, attached) == 2  # for oneself
    acme.execute("set local retrieval.tenant = 'acme'")
    assert sorted(column(acme, found)) == ["x", "y"]
    acme.execute("set local retrieval.tenant = 'bolt'")
    assert value(acme, "select retrieval.detach_table('public.things', null, true)") == 1
    acme.execute("set local retrieval.tenant = 'acme'")
    assert sorted(column(acme, found)) == ["x", "y"]


def test_a_tenant_is_a_short_text_without_control_characters(acme: psycopg.Connection) -> None:
    for tenant in ("x" * 201, "a\nb"):
        acme.execute("select set_config('retrieval.tenant', %s, true)", [tenant])
        error = failure(acme, "select retrieval.add_document('shared', 'a', 'b')")
        assert error.diag.constraint_name == "documents_tenant_check"


def test_caches_are_a_tenants_own(acme: psycopg.Connection) -> None:
    acme.execute(
        """select retrieval.cache_embeddings('{"m": 1}', array['\\x01'::bytea], '{[1]}')"""
    )
    acme.execute("select retrieval.cache_contexts(array['\\x01'::bytea], array['said'])")
    read = (
        """select count(*) from retrieval.cached_embeddings('{"m": 1}', array['\\x01'::bytea])""",
        "select count(*) from retrieval.cached_contexts(array['\\x01'::bytea, '\\x02'])",
    )
    for tenant, count in (("acme", 1), ("bolt", 0), ("", 0)):
        acme.execute("select set_config('retrieval.tenant', %s, true)", [tenant])
        assert [value(acme, each) for each in read] == [count, count]


# Own SQL


@pytest.mark.parametrize("table", HAS_A_TENANT)
def test_a_role_reads_its_tenants_rows(role: psycopg.Connection, table: str) -> None:
    read = f"""select count(*) as seen, count(*) filter (where tenant = %s) as own
               from retrieval.{table}"""
    for tenant in ("acme", "bolt", ""):
        role.execute("select set_config('retrieval.tenant', %s, true)", [tenant])
        ((seen, own),) = role.execute(read, [tenant]).fetchall()
        with owning(role):
            ((everything, all_own),) = role.execute(read, [tenant]).fetchall()
        assert seen == own == all_own <= everything
        assert seen < everything or table == "tenant_settings"
        assert (seen > 0) == (table != "tenant_settings" or tenant == "bolt")


@pytest.mark.parametrize("table", OF_A_CHUNK)
def test_a_role_reads_embeddings_of_its_tenants_chunks(
    role: psycopg.Connection, table: str
) -> None:
    read = f"select array_agg(chunk_id order by chunk_id) from retrieval.{table}"
    seen = value(role, read)
    with owning(role):
        assert len(value(role, read)) > len(seen)
        assert seen == value(
            role,
            f"""select array_agg(e.chunk_id order by 1) from retrieval.{table} e
                join retrieval.chunks c using (chunk_id, collection_id) where c.tenant = 'acme'""",
        )


@pytest.mark.parametrize(
    "table", ["jobs", "finished_jobs", "embedding_cache", "context_cache", "role_tenants"]
)
def test_what_belongs_to_all_is_nobodys(role: psycopg.Connection, table: str) -> None:
    """Whatever rights the role has been given."""
    with owning(role):
        role.execute(f"grant select on retrieval.{table} to visitor")
        role.execute("insert into retrieval.role_tenants values ('somebody', 'bolt')")
        role.execute("insert into retrieval.context_cache values ('x', 'y')")
        assert value(role, "select count(*) from retrieval.jobs") > 0
    assert value(role, f"select count(*) from retrieval.{table}") == 0


def test_a_partition_is_closed(role: psycopg.Connection) -> None:
    collection = value(role, "select collection_id from retrieval.collections")
    space = value(role, "select space_id from retrieval.spaces where name = 's'")
    for partition in (
        *(f"{table}_{collection}" for table in HAS_A_TENANT[:4]),
        f"embeddings_{space}",
    ):
        error = failure(role, f"select * from retrieval.{partition}")
        assert error.sqlstate == "42501"


@pytest.mark.parametrize(
    "statement",
    [
        """insert into retrieval.documents (collection_id, document_key, tenant)
           values (%(collection)s, 'new', 'bolt')""",
        "update retrieval.documents set tenant = 'bolt' where document_key = '01'",
        """insert into retrieval.chunks (collection_id, document_id, position, content, tenant)
           values (%(collection)s, %(document)s, 9, 'x', 'bolt')""",
        """insert into retrieval.chunks (collection_id, document_id, position, content)
           values (%(collection)s, %(document)s, 0, 'x')""",
        """insert into retrieval.chunks (collection_id, document_id, position, content)
           values (%(collection)s, %(document)s, 9, 'x')""",
        "update retrieval.chunks set document_id = %(document)s where position = 2",
        """insert into retrieval.embeddings (space_id, collection_id, chunk_id, embedding)
           values (%(space)s, %(collection)s, %(chunk)s, %(vector)s)""",
        "update retrieval.embeddings set chunk_id = %(chunk)s",
    ],
)
def test_a_role_writes_nothing_of_another(role: psycopg.Connection, statement: str) -> None:
    with owning(role):
        given = {
            "collection": value(role, "select collection_id from retrieval.collections"),
            "space": value(role, "select space_id from retrieval.spaces where name = 's'"),
            "document": bolt(role, "document_id"),
            "chunk": bolt(role),
            "vector": ANY_VECTOR,
        }
    error = failure(role, statement, given)
    assert error.sqlstate == "42501"
    assert "row-level security" in str(error)
    invented = failure(role, statement, given | {"document": NOWHERE, "chunk": NOWHERE})
    assert str(invented) == str(error)


def test_a_role_changes_and_deletes_only_its_tenants_rows(role: psycopg.Connection) -> None:
    counted = "select count(*) from retrieval.{} where tenant <> 'acme'"
    with owning(role):
        before = [value(role, counted.format(table)) for table in HAS_A_TENANT[:2]]
    assert role.execute("update retrieval.documents set source = 'x'").rowcount == DOCUMENTS
    secret = "where document_key = %s"
    for statement in (
        "delete from retrieval.documents",
        "update retrieval.documents set title = 'x'",
    ):
        assert role.execute(f"{statement} {secret}", [f"{SECRET}-key"]).rowcount == 0
    assert role.execute("delete from retrieval.token_embeddings").rowcount > 0
    with owning(role):
        assert [value(role, counted.format(table)) for table in HAS_A_TENANT[:2]] == before
        others = "select count(*) from retrieval.token_embeddings"
        assert value(role, others) > 0
        assert (
            value(role, "select count(*) from retrieval.documents where source = 'x'") == DOCUMENTS
        )


def test_a_bound_login_cannot_choose(acme: psycopg.Connection) -> None:
    acme.execute(
        f"""create role visitor; grant usage on schema retrieval to visitor;
            grant select on {READ} to visitor;
            grant execute on all functions in schema retrieval to visitor;
            select retrieval.bind_role('visitor', 'bolt')"""
    )
    current = "select retrieval.current_tenant()"
    assert value(acme, current) == "acme"
    acme.execute("set local session authorization visitor")
    assert value(acme, current) == "bolt"
    acme.execute("set local retrieval.tenant = 'acme'")
    assert value(acme, current) == "bolt"
    tenants = "select distinct tenant from retrieval.documents"
    assert column(acme, tenants) == ["bolt"]
    assert failure(acme, "select * from retrieval.role_tenants").sqlstate == "42501"
    acme.execute("set local session authorization default")
    acme.execute("select retrieval.bind_role('visitor', '')")
    acme.execute("set local session authorization visitor")
    assert column(acme, tenants) == [""]
    acme.execute("set local session authorization default")
    assert value(acme, "select retrieval.unbind_role('visitor')") is True
    assert value(acme, "select retrieval.unbind_role('visitor')") is False
    acme.execute("set local session authorization visitor")
    assert column(acme, tenants) == ["acme"]
    acme.execute("set local session authorization default")


@pytest.mark.parametrize(
    ("arguments", "sqlstate", "message"),
    [
        (["no such role", "a"], "42704", 'role "no such role" does not exist'),
        ([None, "a"], "42704", "role null does not exist"),
        (["postgres", None], "22023", "tenant null is not usable"),
        (["postgres", "x" * 201], "22023", "up to 200 bytes"),
        (["postgres", "a\tb"], "22023", "no control character"),
    ],
)
def test_what_cannot_be_bound(
    acme: psycopg.Connection, arguments: list[Any], sqlstate: str, message: str
) -> None:
    error = failure(acme, "select retrieval.bind_role(%s, %s)", arguments)
    assert error.sqlstate == sqlstate
    assert message in str(error)


# Who keeps what all have


def test_the_owner_in_no_tenant_keeps_all(shared: psycopg.Connection) -> None:
    """A worker embeds every tenant's chunks; a role that is not the owner does not."""
    missing = "select count(*) from retrieval.missing_embeddings('shared', 's')"
    with shared.transaction(force_rollback=True):
        ids = []
        for tenant in ("acme", "bolt"):
            shared.execute("select set_config('retrieval.tenant', %s, true)", [tenant])
            ids += [row.chunk_id for row in put(shared, "shared", {"document_key": "new"})]
            assert value(shared, missing) == 1
        shared.execute("set local retrieval.tenant = ''")
        assert value(shared, missing) == 2
        error = failure(shared, "select retrieval.activate_space('shared', 's')")
        assert error.sqlstate == "55000"
        stored = value(
            shared,
            "select retrieval.put_embeddings('shared', 's', %s, %s::halfvec[])",
            [ids, [ANY_VECTOR] * 2],
        )
        assert stored == 2
        shared.execute("select retrieval.activate_space('shared', 's')")
        held = "select embeddings from retrieval.list_spaces('shared') where name = 's'"
        everything = value(shared, held)
        assert everything == value(shared, "select count(*) from retrieval.chunks")
        shared.execute(
            f"""create role visitor; grant usage on schema retrieval to visitor;
                grant select on {READ}, retrieval.query_adapters to visitor;
                grant execute on all functions in schema retrieval to visitor;
                set local role visitor"""
        )
        assert value(shared, held) < everything


def test_a_collection_of_one_tenant_needs_no_condition(acme: psycopg.Connection) -> None:
    condition = """select retrieval._filter_condition(c, %s) from retrieval.collections c
                   where c.name = %s"""
    for tenant in ("acme", ""):
        acme.execute("select set_config('retrieval.tenant', %s, true)", [tenant])
        name = f"alone{tenant}"
        acme.execute("select retrieval.create_collection(%s)", [name])
        put(acme, name, {"document_key": "a", "content": "ant"})
        assert value(acme, condition, [None, name]) is None
        shared = value(acme, condition, [Jsonb({"a": 1}), "shared"])
        assert shared == f"c.tenant = '{tenant}' and c.metadata @@ '($.\"a\" == 1)'"
    acme.execute("set local retrieval.tenant = 'it''s'")
    assert value(acme, condition, [None, "alone"]) == "c.tenant = 'it''s'"


def test_a_snapshot_from_before_a_recount(module_database_url: str) -> None:
    """What the recount removes must not make an older snapshot take the collection for its own."""
    searches = [
        "select content from retrieval.keyword_search('shared', 'boltword ant', null, 999)",
        f"select content from retrieval.semantic_search('shared', '{ANY_VECTOR}', null, 999)",
    ]
    with (
        psycopg.connect(module_database_url, autocommit=True) as owner,
        psycopg.connect(module_database_url, options="-c statement_timeout=20s") as older,
    ):
        older.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        enter(older, "acme")  # takes the snapshot
        owner.execute("select retrieval.refresh_statistics('shared')")
        put(older, "shared", {"document_key": "late", "content": "ant"})
        for search in searches:
            found = column(older, search)
            assert found
            assert not [each for each in found if "boltword" in each or SECRET in each]
        older.rollback()
