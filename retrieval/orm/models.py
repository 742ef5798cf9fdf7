"""The tables as mapped classes.

Documents, chunks, statistics and embeddings are partitioned; their partitions, and the foreign keys
between these, are made by `retrieval.create_collection` and `retrieval.create_space`. Relationships
therefore name their join conditions.
"""

import uuid
from datetime import datetime
from typing import Any

from pgvector.sqlalchemy import HALFVEC, SPARSEVEC
from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    DateTime,
    Double,
    FetchedValue,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, JSONB, REAL, TSVECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from retrieval.orm.vector_array import VectorArray

_NOW = text("now()")
_EMPTY = text("'{}'")
_CURRENT_TENANT = text("retrieval.current_tenant()")
_TENANT_CHECK = "octet_length(tenant) <= 200 and tenant !~ '[[:cntrl:]]'"
_OF_A_TENANT = text("tenant <> ''")
_CURRENT_VERSION = text("last_version is null")


class Base(DeclarativeBase):
    """The root of the mapped classes; its metadata knows the schema `retrieval` alone."""

    metadata = MetaData(
        schema="retrieval",
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "uq": "%(table_name)s_%(constraint_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s_check",
            "fk": "%(table_name)s_%(column_0_name)s_fkey",
            "ix": "%(table_name)s_%(column_0_name)s_index",
        },
    )
    type_annotation_map = {  # noqa: RUF012
        str: Text,
        int: BigInteger,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[str]: ARRAY(Text),
    }


class RoleTenant(Base):
    """A login role that is bound to a tenant."""

    __tablename__ = "role_tenants"
    __table_args__ = (
        PrimaryKeyConstraint("role_name"),
        CheckConstraint(_TENANT_CHECK, name="tenant"),
    )

    role_name: Mapped[str]
    tenant: Mapped[str]


class Collection(Base):
    """A named body of documents: the unit of indexing."""

    __tablename__ = "collections"
    __table_args__ = (
        PrimaryKeyConstraint("collection_id"),
        UniqueConstraint("name", name="name"),
        CheckConstraint(
            r"name ~ '^[^[:cntrl:]/\s]([^[:cntrl:]/]{0,198}[^[:cntrl:]/\s])?$'", name="name"
        ),
        CheckConstraint("jsonb_typeof(settings) = 'object'", name="settings"),
    )

    collection_id: Mapped[int] = mapped_column(Identity(always=True))
    name: Mapped[str]
    text_config: Mapped[str] = mapped_column(server_default="english")
    settings: Mapped[dict[str, Any]] = mapped_column(server_default=_EMPTY)
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)

    documents: Mapped[list["Document"]] = relationship(
        primaryjoin="Collection.collection_id == foreign(Document.collection_id)",
        back_populates="collection",
        viewonly=True,
    )
    spaces: Mapped[list["Space"]] = relationship(back_populates="collection", viewonly=True)


class TenantSettings(Base):
    """What the settings of a collection are for one tenant."""

    __tablename__ = "tenant_settings"
    __table_args__ = (
        PrimaryKeyConstraint("collection_id", "tenant"),
        ForeignKeyConstraint(
            ["collection_id"], ["retrieval.collections.collection_id"], ondelete="cascade"
        ),
        CheckConstraint("jsonb_typeof(settings) = 'object'", name="settings"),
    )

    collection_id: Mapped[int]
    tenant: Mapped[str] = mapped_column(server_default=_CURRENT_TENANT)
    settings: Mapped[dict[str, Any]] = mapped_column(server_default=_EMPTY)


class Document(Base):
    """What a user gave, under a key that is unique in its collection and tenant."""

    __tablename__ = "documents"
    __table_args__ = (
        PrimaryKeyConstraint("document_id", "collection_id"),
        UniqueConstraint("document_key", "tenant", "collection_id", name="key"),
        CheckConstraint("octet_length(document_key) between 1 and 2000", name="key"),
        CheckConstraint(_TENANT_CHECK, name="tenant"),
        CheckConstraint("jsonb_typeof(metadata) = 'object'", name="metadata"),
        CheckConstraint("modality in ('text', 'image')", name="modality"),
        {"postgresql_partition_by": "LIST (collection_id)"},
    )

    document_id: Mapped[int] = mapped_column(Identity(always=True))
    collection_id: Mapped[int]
    document_key: Mapped[str]
    tenant: Mapped[str] = mapped_column(server_default=_CURRENT_TENANT)
    title: Mapped[str | None]
    source: Mapped[str | None]
    content: Mapped[str] = mapped_column(server_default="")
    document_metadata: Mapped[dict[str, Any]] = mapped_column("metadata", server_default=_EMPTY)
    text_config: Mapped[str | None]
    modality: Mapped[str] = mapped_column(server_default="text")
    content_hash: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=_NOW)

    collection: Mapped[Collection] = relationship(
        primaryjoin="foreign(Document.collection_id) == Collection.collection_id",
        back_populates="documents",
        viewonly=True,
    )
    chunks: Mapped[list["Chunk"]] = relationship(
        primaryjoin="and_(Document.collection_id == foreign(Chunk.collection_id), "
        "Document.document_id == foreign(Chunk.document_id))",
        order_by="Chunk.position",
        back_populates="document",
        viewonly=True,
    )


class Chunk(Base):
    """The piece that is indexed and returned."""

    __tablename__ = "chunks"
    __table_args__ = (
        PrimaryKeyConstraint("chunk_id", "collection_id"),
        UniqueConstraint("document_id", "position", "collection_id", name="position"),
        CheckConstraint("position >= 0", name="position"),
        CheckConstraint("start_offset >= 0 and end_offset >= start_offset", name="offsets"),
        CheckConstraint("modality in ('text', 'image')", name="modality"),
        Index(None, "lexemes", postgresql_using="gin"),
        Index(
            "chunks_metadata_index",
            "metadata",
            postgresql_using="gin",
            postgresql_ops={"metadata": "jsonb_path_ops"},
        ),
        Index("chunks_images_index", "chunk_id", postgresql_where=text("modality = 'image'")),
        Index("chunks_tenant_index", "tenant", postgresql_where=_OF_A_TENANT),
        {"postgresql_partition_by": "LIST (collection_id)"},
    )

    chunk_id: Mapped[int] = mapped_column(Identity(always=True))
    collection_id: Mapped[int]
    document_id: Mapped[int]
    tenant: Mapped[str] = mapped_column(server_default=_CURRENT_TENANT)
    position: Mapped[int] = mapped_column(Integer)
    start_offset: Mapped[int | None] = mapped_column(Integer)
    end_offset: Mapped[int | None] = mapped_column(Integer)
    content: Mapped[str]
    context: Mapped[str] = mapped_column(server_default="")
    title: Mapped[str | None]
    chunk_metadata: Mapped[dict[str, Any]] = mapped_column("metadata", server_default=_EMPTY)
    text_config: Mapped[str] = mapped_column(server_default="simple")
    modality: Mapped[str] = mapped_column(server_default="text")
    # both follow the text: see retrieval._index_text()
    lexemes: Mapped[Any] = mapped_column(
        TSVECTOR, FetchedValue(), server_onupdate=FetchedValue(), nullable=False, deferred=True
    )
    length: Mapped[int] = mapped_column(
        Integer, FetchedValue(), server_onupdate=FetchedValue(), nullable=False
    )

    document: Mapped[Document] = relationship(
        primaryjoin="and_(Document.collection_id == foreign(Chunk.collection_id), "
        "Document.document_id == foreign(Chunk.document_id))",
        back_populates="chunks",
        viewonly=True,
    )


class MetadataIndex(Base):
    """A key of the metadata that has an index on its collection's chunks."""

    __tablename__ = "metadata_indexes"
    __table_args__ = (
        PrimaryKeyConstraint("collection_id", "key"),
        ForeignKeyConstraint(
            ["collection_id"], ["retrieval.collections.collection_id"], ondelete="cascade"
        ),
        CheckConstraint("char_length(key) <= 200 and not starts_with(key, '$')", name="key"),
        CheckConstraint("type in ('numeric', 'text')", name="type"),
    )

    collection_id: Mapped[int]
    key: Mapped[str]
    type: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class ChunkStatistics(Base):
    """Differences in number and length of a tenant's chunks in a collection, to be added up."""

    __tablename__ = "chunk_statistics"
    __table_args__ = (
        Index("chunk_statistics_tenant_index", "tenant", postgresql_where=_OF_A_TENANT),
        {"postgresql_partition_by": "LIST (collection_id)"},
    )
    __mapper_args__ = {"primary_key": ["collection_id", "tenant", "text_config"]}  # noqa: RUF012

    collection_id: Mapped[int]
    tenant: Mapped[str]
    text_config: Mapped[str]
    chunk_count: Mapped[int]
    total_length: Mapped[int]


class LexemeStatistics(Base):
    """Differences in the number of a tenant's chunks that hold a lexeme, to be added up."""

    __tablename__ = "lexeme_statistics"
    __table_args__ = (
        Index(None, "lexeme"),
        Index("lexeme_statistics_tenant_index", "tenant", "lexeme", postgresql_where=_OF_A_TENANT),
        {"postgresql_partition_by": "LIST (collection_id)"},
    )
    __mapper_args__ = {"primary_key": ["collection_id", "tenant", "lexeme"]}  # noqa: RUF012

    collection_id: Mapped[int]
    tenant: Mapped[str]
    lexeme: Mapped[str] = mapped_column(Text(collation="C"))
    document_frequency: Mapped[int]
    maximum_frequency: Mapped[int] = mapped_column(Integer)
    minimum_length_ratio: Mapped[float] = mapped_column(REAL)


class Space(Base):
    """One embedding model as used for one collection."""

    __tablename__ = "spaces"
    __table_args__ = (
        PrimaryKeyConstraint("space_id"),
        UniqueConstraint("collection_id", "name", name="name"),
        ForeignKeyConstraint(
            ["collection_id"], ["retrieval.collections.collection_id"], ondelete="cascade"
        ),
        CheckConstraint("kind in ('dense', 'sparse', 'multivector')", name="kind"),
        CheckConstraint("modality in ('text', 'image')", name="modality"),
        CheckConstraint(
            "dimensions between 1 and case kind when 'sparse' then 1000000000 else 4000 end",
            name="dimensions",
        ),
        CheckConstraint("metric in ('cosine', 'inner_product', 'l2', 'l1')", name="metric"),
        CheckConstraint("index_method in ('hnsw', 'ivfflat', 'none')", name="index_method"),
        CheckConstraint("quantization in ('half', 'bit')", name="quantization"),
        CheckConstraint("state in ('building', 'active', 'shadow', 'retired')", name="state"),
        Index(
            "spaces_active_index",
            "collection_id",
            "kind",
            "modality",
            unique=True,
            postgresql_where=text("state = 'active'"),
        ),
    )

    space_id: Mapped[int] = mapped_column(Identity(always=True))
    collection_id: Mapped[int]
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(server_default="dense")
    modality: Mapped[str] = mapped_column(server_default="text")
    model: Mapped[str]
    revision: Mapped[str | None]
    signature: Mapped[dict[str, Any]] = mapped_column(server_default=_EMPTY)
    dimensions: Mapped[int] = mapped_column(Integer)
    metric: Mapped[str] = mapped_column(server_default="cosine")
    index_method: Mapped[str] = mapped_column(server_default="hnsw")
    index_options: Mapped[dict[str, Any]] = mapped_column(server_default=_EMPTY)
    quantization: Mapped[str] = mapped_column(server_default="half")
    search_options: Mapped[dict[str, Any]] = mapped_column(server_default=_EMPTY)
    alignment: Mapped[dict[str, Any] | None]
    state: Mapped[str] = mapped_column(server_default="building")
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    activated_at: Mapped[datetime | None]

    collection: Mapped[Collection] = relationship(back_populates="spaces", viewonly=True)


class Embedding(Base):
    """A chunk's vector in a space."""

    __tablename__ = "embeddings"
    __table_args__ = (
        PrimaryKeyConstraint("chunk_id", "space_id"),
        {"postgresql_partition_by": "LIST (space_id)"},
    )

    space_id: Mapped[int]
    collection_id: Mapped[int]
    chunk_id: Mapped[int]
    embedding: Mapped[list[float]] = mapped_column(HALFVEC)


class SparseEmbedding(Base):
    """A chunk's learned sparse vector in a space."""

    __tablename__ = "sparse_embeddings"
    __table_args__ = (
        PrimaryKeyConstraint("chunk_id", "space_id"),
        {"postgresql_partition_by": "LIST (space_id)"},
    )

    space_id: Mapped[int]
    collection_id: Mapped[int]
    chunk_id: Mapped[int]
    embedding: Mapped[Any] = mapped_column(SPARSEVEC)


class TokenEmbeddings(Base):
    """A chunk's vectors, one for each of its tokens, in a space of a late-interaction model."""

    __tablename__ = "token_embeddings"
    __table_args__ = (
        PrimaryKeyConstraint("chunk_id", "space_id"),
        {"postgresql_partition_by": "LIST (space_id)"},
    )

    space_id: Mapped[int]
    collection_id: Mapped[int]
    chunk_id: Mapped[int]
    embeddings: Mapped[Any] = mapped_column(VectorArray(HALFVEC))


class QueryAdapter(Base):
    """A map that a space applies to query embeddings: a matrix by its rows, and a translation."""

    __tablename__ = "query_adapters"
    __table_args__ = (
        PrimaryKeyConstraint("space_id"),
        ForeignKeyConstraint(["space_id"], ["retrieval.spaces.space_id"], ondelete="cascade"),
    )

    space_id: Mapped[int]
    matrix: Mapped[Any] = mapped_column(VectorArray(HALFVEC))
    translation: Mapped[list[float]] = mapped_column(HALFVEC)
    details: Mapped[dict[str, Any]] = mapped_column(server_default=_EMPTY)
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class CachedEmbedding(Base):
    """What a model made of a text; one of the three vectors is there, by the model's kind."""

    __tablename__ = "embedding_cache"
    __table_args__ = (
        PrimaryKeyConstraint("signature_hash", "text_hash"),
        CheckConstraint(
            "num_nonnulls(embedding, sparse_embedding, token_embeddings) = 1", name="embedding"
        ),
        Index(None, "used_at"),
        {"prefixes": ["UNLOGGED"]},
    )

    signature_hash: Mapped[bytes]
    text_hash: Mapped[bytes]
    embedding: Mapped[list[float] | None] = mapped_column(HALFVEC)
    sparse_embedding: Mapped[Any | None] = mapped_column(SPARSEVEC)
    token_embeddings: Mapped[Any | None] = mapped_column(VectorArray(HALFVEC))
    used_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class Job(Base):
    """Chunks that are to be embedded in a space; a failed one holds one chunk and its error."""

    __tablename__ = "jobs"
    __table_args__ = (
        PrimaryKeyConstraint("job_id"),
        ForeignKeyConstraint(["space_id"], ["retrieval.spaces.space_id"], ondelete="cascade"),
        CheckConstraint("cardinality(chunk_ids) > 0", name="chunk_ids"),
        CheckConstraint("state in ('pending', 'running', 'failed')", name="state"),
        Index(None, "space_id", "run_after", "job_id"),
        {
            "postgresql_with": {
                "autovacuum_vacuum_scale_factor": 0,
                "autovacuum_vacuum_threshold": 1000,
            }
        },
    )

    job_id: Mapped[int] = mapped_column(Identity(always=True))
    space_id: Mapped[int]
    chunk_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    state: Mapped[str] = mapped_column(server_default="pending")
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    run_after: Mapped[datetime] = mapped_column(server_default=_NOW)
    worker: Mapped[str | None]
    error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)

    space: Mapped[Space] = relationship(viewonly=True)


class FinishedJobs(Base):
    """How many chunks a worker embedded in one go, kept for an hour."""

    __tablename__ = "finished_jobs"
    __table_args__ = (
        ForeignKeyConstraint(["space_id"], ["retrieval.spaces.space_id"], ondelete="cascade"),
        Index(None, "space_id", "finished_at"),
        {"prefixes": ["UNLOGGED"]},
    )
    __mapper_args__ = {"primary_key": ["space_id", "finished_at"]}  # noqa: RUF012

    space_id: Mapped[int]
    chunks: Mapped[int] = mapped_column(Integer)
    finished_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class CachedContext(Base):
    """Where a chunk stands in its document, as a language model wrote it."""

    __tablename__ = "context_cache"
    __table_args__ = (PrimaryKeyConstraint("digest"),)

    digest: Mapped[bytes]
    context: Mapped[str]
    used_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class AttachedTable(Base):
    """A table of the application whose rows are the documents of a collection."""

    __tablename__ = "attached_tables"
    __table_args__ = (
        PrimaryKeyConstraint("attached_table_id"),
        UniqueConstraint("collection_id", "table_name", "tenant", name="table"),
        ForeignKeyConstraint(
            ["collection_id"], ["retrieval.collections.collection_id"], ondelete="cascade"
        ),
    )

    attached_table_id: Mapped[int] = mapped_column(Identity(always=True))
    collection_id: Mapped[int]
    tenant: Mapped[str] = mapped_column(server_default=_CURRENT_TENANT)
    table_name: Mapped[str]
    key_columns: Mapped[list[str]]
    title_column: Mapped[str | None]
    content_columns: Mapped[list[str]]
    metadata_columns: Mapped[list[str]]
    maximum_chunk_length: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)

    collection: Mapped[Collection] = relationship(viewonly=True)
    failures: Mapped[list["AttachedTableFailure"]] = relationship(viewonly=True)


class AttachedTableFailure(Base):
    """A statement on an attached table, or one of its rows, that the collection did not follow."""

    __tablename__ = "attached_table_failures"
    __table_args__ = (
        PrimaryKeyConstraint("failure_id"),
        ForeignKeyConstraint(
            ["attached_table_id"],
            ["retrieval.attached_tables.attached_table_id"],
            ondelete="cascade",
        ),
        Index(None, "attached_table_id"),
    )

    failure_id: Mapped[int] = mapped_column(Identity(always=True))
    attached_table_id: Mapped[int]
    document_key: Mapped[str | None]
    operation: Mapped[str]
    sqlstate: Mapped[str]
    message: Mapped[str]
    failed_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class GoldenSet(Base):
    """Queries of a collection with graded judgements; every change makes another version."""

    __tablename__ = "golden_sets"
    __table_args__ = (
        PrimaryKeyConstraint("golden_set_id"),
        UniqueConstraint("collection_id", "tenant", "name", name="name"),
        ForeignKeyConstraint(
            ["collection_id"], ["retrieval.collections.collection_id"], ondelete="cascade"
        ),
        CheckConstraint(_TENANT_CHECK, name="tenant"),
        CheckConstraint("origin in ('human', 'synthetic', 'clicks')", name="origin"),
    )

    golden_set_id: Mapped[int] = mapped_column(Identity(always=True))
    collection_id: Mapped[int]
    tenant: Mapped[str] = mapped_column(server_default=_CURRENT_TENANT)
    name: Mapped[str]
    origin: Mapped[str] = mapped_column(server_default="human")
    description: Mapped[str | None]
    version: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    changed_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class GoldenQuery(Base):
    """A query of a golden set, as it was from one version to another."""

    __tablename__ = "golden_queries"
    __table_args__ = (
        PrimaryKeyConstraint("golden_set_id", "query_key", "first_version"),
        ForeignKeyConstraint(
            ["golden_set_id"], ["retrieval.golden_sets.golden_set_id"], ondelete="cascade"
        ),
        CheckConstraint("last_version >= first_version", name="versions"),
        Index(
            "golden_queries_current_index",
            "golden_set_id",
            "query_key",
            unique=True,
            postgresql_where=_CURRENT_VERSION,
        ),
    )

    golden_set_id: Mapped[int]
    query_key: Mapped[str]
    query_text: Mapped[str]
    first_version: Mapped[int] = mapped_column(Integer)
    last_version: Mapped[int | None] = mapped_column(Integer)


class Judgement(Base):
    """How well a document answers a query, as it was judged from one version to another."""

    __tablename__ = "judgements"
    __table_args__ = (
        PrimaryKeyConstraint("golden_set_id", "query_key", "document_key", "first_version"),
        ForeignKeyConstraint(
            ["golden_set_id"], ["retrieval.golden_sets.golden_set_id"], ondelete="cascade"
        ),
        CheckConstraint("last_version >= first_version", name="versions"),
        Index(
            "judgements_current_index",
            "golden_set_id",
            "query_key",
            "document_key",
            unique=True,
            postgresql_where=_CURRENT_VERSION,
        ),
    )

    golden_set_id: Mapped[int]
    query_key: Mapped[str]
    document_key: Mapped[str]
    grade: Mapped[int] = mapped_column(SmallInteger)
    judge: Mapped[str | None]
    judged_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    first_version: Mapped[int] = mapped_column(Integer)
    last_version: Mapped[int | None] = mapped_column(Integer)


class Evaluation(Base):
    """What one way of searching reached on a golden set, and what it takes to repeat it."""

    __tablename__ = "evaluations"
    __table_args__ = (
        PrimaryKeyConstraint("evaluation_id"),
        ForeignKeyConstraint(
            ["collection_id"], ["retrieval.collections.collection_id"], ondelete="cascade"
        ),
        CheckConstraint(_TENANT_CHECK, name="tenant"),
        Index(None, "collection_id", "tenant", "evaluation_id"),
    )

    evaluation_id: Mapped[int] = mapped_column(Identity(always=True))
    collection_id: Mapped[int]
    tenant: Mapped[str] = mapped_column(server_default=_CURRENT_TENANT)
    golden_set: Mapped[str | None]
    golden_set_version: Mapped[int | None] = mapped_column(Integer)
    name: Mapped[str]
    settings: Mapped[dict[str, Any]]
    context: Mapped[dict[str, Any]]
    measures: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class EvaluationQuery(Base):
    """What an evaluation measured of one query."""

    __tablename__ = "evaluation_queries"
    __table_args__ = (
        PrimaryKeyConstraint("evaluation_id", "query_key"),
        ForeignKeyConstraint(
            ["evaluation_id"], ["retrieval.evaluations.evaluation_id"], ondelete="cascade"
        ),
    )

    evaluation_id: Mapped[int]
    query_key: Mapped[str]
    query_text: Mapped[str]
    measures: Mapped[dict[str, Any]]
    milliseconds: Mapped[float | None] = mapped_column(Double)
    document_keys: Mapped[list[str]]


class ApiKey(Base):
    """A key to the HTTP service; who holds its secret may do what its scopes say."""

    __tablename__ = "api_keys"
    __table_args__ = (
        PrimaryKeyConstraint("api_key_id"),
        CheckConstraint(
            "cardinality(scopes) > 0 and scopes <@ array['read', 'write', 'admin']", name="scopes"
        ),
        CheckConstraint("octet_length(tenant) <= 200 and tenant !~ '[[:cntrl:]]'", name="tenant"),
        CheckConstraint("'admin' <> all (scopes) or all_collections and tenant = ''", name="admin"),
    )

    api_key_id: Mapped[str]
    key_hash: Mapped[str]
    name: Mapped[str]
    scopes: Mapped[list[str]]
    all_collections: Mapped[bool]
    tenant: Mapped[str] = mapped_column(server_default="")
    requests_per_minute: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class ApiKeyCollection(Base):
    """A collection that a key to the service may use."""

    __tablename__ = "api_key_collections"
    __table_args__ = (
        PrimaryKeyConstraint("api_key_id", "collection_id"),
        ForeignKeyConstraint(["api_key_id"], ["retrieval.api_keys.api_key_id"], ondelete="cascade"),
        ForeignKeyConstraint(
            ["collection_id"], ["retrieval.collections.collection_id"], ondelete="cascade"
        ),
        Index(None, "collection_id"),
    )

    api_key_id: Mapped[str]
    collection_id: Mapped[int]


class LoggedQuery(Base):
    """What was asked and which documents were shown, where a collection has opted in."""

    __tablename__ = "logged_queries"
    __table_args__ = (
        PrimaryKeyConstraint("query_id"),
        ForeignKeyConstraint(
            ["collection_id"], ["retrieval.collections.collection_id"], ondelete="cascade"
        ),
        CheckConstraint(_TENANT_CHECK, name="tenant"),
        CheckConstraint("jsonb_typeof(details) = 'object'", name="details"),
        Index(None, "collection_id", "logged_at"),
    )

    query_id: Mapped[uuid.UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    collection_id: Mapped[int]
    tenant: Mapped[str] = mapped_column(server_default=_CURRENT_TENANT)
    query_text: Mapped[str]
    document_keys: Mapped[list[str]]
    result_count: Mapped[int] = mapped_column(Integer)
    top_score: Mapped[float | None] = mapped_column(DOUBLE_PRECISION)
    details: Mapped[dict[str, Any]] = mapped_column(server_default=_EMPTY)
    logged_at: Mapped[datetime] = mapped_column(server_default=_NOW)

    clicks: Mapped[list["LoggedClick"]] = relationship(viewonly=True)


class LoggedClick(Base):
    """A document that was opened from the answer to a query, with its rank there."""

    __tablename__ = "logged_clicks"
    __table_args__ = (
        PrimaryKeyConstraint("query_id", "document_key"),
        ForeignKeyConstraint(
            ["query_id"], ["retrieval.logged_queries.query_id"], ondelete="cascade"
        ),
        CheckConstraint("rank >= 1", name="rank"),
    )

    query_id: Mapped[uuid.UUID]
    document_key: Mapped[str]
    rank: Mapped[int] = mapped_column(Integer)
    clicked_at: Mapped[datetime] = mapped_column(server_default=_NOW)
