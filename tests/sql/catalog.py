"""What PostgreSQL itself says about everything in the schema, as text that can be compared."""

import difflib
from pathlib import Path

from statements import Session, value

ROOT = Path(__file__).resolve().parent.parent.parent

# kind, name, definition; read with an empty search_path, so that every name comes with its schema
_OBJECTS = """
with relations as (
    select c.* from pg_class c
    where c.relnamespace = to_regnamespace('retrieval') and c.relname !~ '^alembic_version')
select 'function', p.oid::regprocedure::text,
       concat_ws(E'\n', pg_get_functiondef(p.oid), p.proacl::text,
                 obj_description(p.oid, 'pg_proc'))
from pg_proc p where p.pronamespace = to_regnamespace('retrieval')
union all
select 'relation', c.relname,
       concat_ws(' ', c.relkind, c.relpersistence, c.reloptions::text, c.relacl::text, m.amname,
                 c.relrowsecurity, c.relforcerowsecurity, pg_get_partkeydef(c.oid),
                 pg_get_expr(c.relpartbound, c.oid), obj_description(c.oid, 'pg_class'))
from relations c left join pg_am m on m.oid = c.relam
union all
select 'column', c.relname || '.' || row_number() over (partition by c.oid order by a.attnum),
       concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
                 a.attgenerated, a.attstorage, a.attcompression, l.collname, a.attstattarget,
                 pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum))
from relations c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
left join pg_collation l on l.oid = a.attcollation
where c.relkind in ('r', 'p', 'c', 'v')
union all
select 'constraint', c.relname || '.' || k.conname,
       concat_ws(' ', k.contype, pg_get_constraintdef(k.oid), k.convalidated, k.condeferrable,
                 k.connoinherit)
from pg_constraint k join relations c on c.oid = k.conrelid
union all
select 'index', c.relname, concat_ws(' ', pg_get_indexdef(c.oid), i.indisvalid)
from pg_index i join relations c on c.oid = i.indexrelid
union all
select 'trigger', c.relname || '.' || t.tgname,
       concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled)
from pg_trigger t join relations c on c.oid = t.tgrelid where not t.tgisinternal
union all
select 'policy', c.relname || '.' || p.polname,
       concat_ws(' ', p.polcmd, p.polpermissive, p.polroles::regrole[]::text,
                 pg_get_expr(p.polqual, p.polrelid),
                 'check ' || pg_get_expr(p.polwithcheck, p.polrelid))
from pg_policy p join relations c on c.oid = p.polrelid
union all
select 'sequence', c.relname, to_jsonb(s)::text
from relations c, lateral (
    select seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle
    from pg_sequence where seqrelid = c.oid) s
union all
select 'type', t.typname, concat_ws(' ', t.typtype, pg_get_constraintdef(k.oid))
from pg_type t left join pg_constraint k on k.contypid = t.oid
where t.typnamespace = to_regnamespace('retrieval') and t.typname !~ '^_?alembic_version'
"""


def read_catalog(session: Session) -> dict[str, str]:
    """Everything in the schema but Alembic's own table."""
    before = value(session, "select current_setting('search_path')")
    session.execute("select set_config('search_path', '', false)")
    rows = session.execute(_OBJECTS).fetchall()
    session.execute("select set_config('search_path', %s, false)", [before])
    return {f"{kind} {name}": definition for kind, name, definition in rows}


def difference(one: dict[str, str], other: dict[str, str]) -> str:
    """What distinguishes two catalogs, for a person; empty where nothing does."""

    def lines(catalog: dict[str, str]) -> list[str]:
        return [
            line
            for name in sorted(catalog)
            for line in (f"== {name}", *catalog[name].splitlines())
            if one.get(name) != other.get(name)
        ]

    return "\n".join(difflib.unified_diff(lines(one), lines(other), lineterm="", n=3))
