"""Documents and attached tables through SQLAlchemy."""

from sqlalchemy import Connection, select, text

from retrieval import orm


def test_documents(connection: Connection) -> None:
    connection.execute(text("select retrieval.create_collection('c')"))
    added = orm.call(
        "add_document",
        collection="c",
        document_key="k",
        content="the words",
        title="Title",
        metadata={"year": 2026},
        source="there",
        maximum_chunk_length=500,
    )
    document_id = connection.scalar(select(added))
    stored = connection.execute(select(orm.Document.document_id, orm.Document.document_metadata))
    assert stored.all() == [(document_id, {"year": 2026})]
    pieces = orm.call("split_text", document_content="one two", maximum_length=4)
    rows = connection.execute(select(pieces.table_valued("start_offset", "content")))
    assert rows.all() == [(0, "one"), (4, "two")]
    assert connection.scalar(select(orm.call("delete_document", collection="c", document_key="k")))


def test_an_attached_table(connection: Connection) -> None:
    connection.execute(text("select retrieval.create_collection('c')"))
    connection.execute(text("create table hotels (id text primary key, name text, city text)"))
    attach = orm.call(
        "attach_table",
        table_name="hotels",
        collection="c",
        key="id",
        title="name",
        metadata=["city"],
        back_fill=False,
    )
    connection.execute(select(attach))
    (attached,) = connection.execute(select(orm.AttachedTable.__table__)).all()
    assert (attached.key_columns, attached.metadata_columns) == (["id"], ["city"])
    connection.execute(text("insert into hotels values (repeat('x', 2001), 'Long', 'Nice')"))
    failures = select(orm.AttachedTableFailure.operation, orm.AttachedTableFailure.sqlstate)
    assert connection.execute(failures).all() == [("insert", "23514")]
    refresh = orm.call("refresh_table", table_name="hotels", collection="c", maximum_rows=10)
    assert connection.scalar(select(refresh)) == 0
    detach = orm.call("detach_table", table_name="hotels", delete_documents=True)
    assert connection.scalar(select(detach)) == 1
