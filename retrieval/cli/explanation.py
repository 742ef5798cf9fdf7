"""How the explanation of a search looks on a terminal."""

from typing import Any

from rich.text import Text

from retrieval.cli.output import console, errors, print_table, table


def print_explanation(explained: dict[str, Any]) -> None:
    """The legs as a table, then for each hit the sum that is its score."""
    legs = table("leg", "space", "plan", "candidates", "weight", "from", "ms")
    for leg in explained["legs"]:
        found = (leg["space"] or "-", leg["plan"], str(leg["candidates"]))
        weight = (f"{leg['weight']:g}", leg["weight_from"])
        legs.add_row(leg["leg"], *found, *weight, f"{leg['milliseconds']:.1f}")
    print_table(legs)
    fusion = explained["fusion"]
    name = f"rrf with k {explained['rrf_k']}" if fusion == "rrf" else fusion
    console.print(
        Text(f"\n{explained['fused']} chunks fused by {name}, {explained['milliseconds']:.1f} ms\n")
    )
    if not explained["hits"]:
        errors.print("nothing found")
    for hit in explained["hits"]:
        _print_hit(hit)


def _print_hit(hit: dict[str, Any]) -> None:
    heading = Text(f"{hit['rank']}. ", style="bold")
    heading.append(f"{hit['document_key']}", style="cyan")
    heading.append(f"  chunk {hit['chunk_id']} at {hit['position']}", style="dim")
    console.print(heading, soft_wrap=True)
    console.print(Text(f"   {arithmetic(hit)}"), soft_wrap=True)
    if hit.get("duplicates"):
        fallen = ", ".join(map(str, hit["duplicates"]))
        console.print(Text(f"   in place of chunks {fallen}", style="dim"), soft_wrap=True)
    if "mmr_score" in hit:
        console.print(Text(f"   chosen with {hit['mmr_score']:.4f}", style="dim"))


def arithmetic(hit: dict[str, Any]) -> str:
    """The score of a hit as what made it, such as `1.7000 = 1.0000 keyword (…) + 0.7000 …`."""
    parts = sorted(hit["legs"].items(), key=lambda leg: -leg[1]["contribution"])
    total = " + ".join(
        f"{leg['contribution']:.4f} {name} (rank {leg['rank']}, score {leg['score']:.4f})"
        for name, leg in parts
    )
    boosts = "".join(f" * {each['factor']:.4f} {_of(each)}" for each in hit.get("boosts", []))
    return f"{hit['score']:.4f} = " + (f"({total}){boosts}" if boosts else total)


def _of(boost: dict[str, Any]) -> str:
    """What a factor is for: a field and its value."""
    field = boost["field"]
    name = field if isinstance(field, str) else ".".join(field)
    return f"{name} ({boost['value']})" if boost["value"] is not None else f"{name} (missing)"
