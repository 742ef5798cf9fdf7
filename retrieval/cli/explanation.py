"""How the explanation of a search looks on a terminal."""

from typing import Any

from rich.text import Text

from retrieval.cli.output import console, errors, print_table, table


def print_explanation(explained: dict[str, Any]) -> None:
    """The legs as a table, then for each hit what made its score."""
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
    heading.append(hit["document_key"], style="cyan")
    heading.append(f"  {hit['score']:.4f}", style="bold")
    heading.append(f"  chunk {hit['chunk_id']}, position {hit['position']}", style="dim")
    console.print(heading, soft_wrap=True)
    for line in arithmetic(hit):
        console.print(Text(f"   {line}"), soft_wrap=True)
    if hit.get("duplicates"):
        fallen = ", ".join(map(str, hit["duplicates"]))
        console.print(Text(f"   in place of chunks {fallen}", style="dim"), soft_wrap=True)
    if "mmr_score" in hit:
        console.print(Text(f"   chosen with {hit['mmr_score']:.4f}", style="dim"))


def arithmetic(hit: dict[str, Any]) -> list[str]:
    """What made the score of a hit: what is added, the largest first, then what multiplies it."""
    legs = sorted(hit["legs"].items(), key=lambda leg: -leg[1]["contribution"])
    width = max(map(len, hit["legs"]))
    added = [
        f"+ {leg['contribution']:.4f}  {name:{width}}  rank {leg['rank']}, score {leg['score']:.4f}"
        for name, leg in legs
    ]
    return added + [f"* {each['factor']:.4f}  {_of(each)}" for each in hit.get("boosts", [])]


def _of(boost: dict[str, Any]) -> str:
    """What a factor is for: a field and its value."""
    field = boost["field"]
    name = field if isinstance(field, str) else ".".join(field)
    return f"{name}, which is missing" if boost["value"] is None else f"{name} {boost['value']}"
