"""The page in Chromium, as people use it: no console errors, nothing asked of anybody else."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from chromium import Visit, chromium
from playwright.sync_api import Browser, Locator, Route, expect
from serving import serving
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retrieval import Document, HashingEmbedder, Retriever
from retrieval.service import create_app

TEAMS = ["security", "platform", "people"]
THINGS = ["key", "lock", "door"]
ENCODED = "#search?collection=handbook&query="
expect.set_options(timeout=20_000)
MAP = "#map?collection=handbook&query=rotate+a+key&color=team"
PARAGRAPH = "Nobody needs to know more about this. " * 14
DOCUMENTS = [
    Document(
        "guides/keys.md",
        "\n\n".join(
            [
                f"What keys are for. {PARAGRAPH}",
                f"Where keys are kept. {PARAGRAPH}",
                f"To rotate a key, first issue a new key, then revoke the old key. {PARAGRAPH}",
                f"Who may ask for keys. {PARAGRAPH}",
            ]
        ),
        title="Rotating keys",
        metadata={"team": "security", "year": 2026, "tags": ["secrets", "how-to"]},
    ),
    Document(
        "unsafe",
        "A key <img src=x onerror=alert(1)> in <mark>HTML</mark> & so on.",
        metadata={"team": "security", "year": 2020},
    ),
    *(
        Document(
            f"notes/{number}",
            # each of another length, so that no two are equally near
            f"Note {number}: {'and so on ' * number}a keyhole, a rotor, "
            f"the {THINGS[number % 3]} of room {number}. {'Rotate it. ' * (number % 4)}",
            title=f"Room {number}",
            metadata={"team": TEAMS[number % 3], "year": 2000 + number},
        )
        for number in range(24)
    ),
]


class StrictPolicy:
    """Has every answer forbid what is not of this origin, where it says nothing about that."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def closed(message: Message) -> None:
            if message["type"] == "http.response.start":
                policy = "default-src 'self'; base-uri 'none'; form-action 'self'"
                MutableHeaders(scope=message).setdefault("Content-Security-Policy", policy)
            await send(message)

        await self.app(scope, receive, closed)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def service(browser: Browser, module_database_url: str) -> Iterator[httpx.Client]:
    """A service with a filled handbook."""
    with Retriever.open(module_database_url, embedder=HashingEmbedder()) as retriever:
        retriever.create_collection("handbook")
        retriever.ingest("handbook", DOCUMENTS)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RETRIEVAL_DATABASE_URL", module_database_url)
        environment.setenv("RETRIEVAL_AUTHENTICATION", "off")
        environment.setenv("RETRIEVAL_MODEL", "hashing")
        app = create_app()
        app.add_middleware(StrictPolicy)
        with serving(app) as client:
            yield client


Look = Callable[..., Visit]


@pytest.fixture
def look(browser: Browser, service: httpx.Client) -> Iterator[Look]:
    """Opens a page that must not complain."""
    visits: list[Visit] = []

    def opened(address: str | None = "", **context: Any) -> Visit:
        size = {"width": context.pop("width", 1280), "height": context.pop("height", 900)}
        visit = Visit(browser.new_context(viewport=size, **context), str(service.base_url))
        visits.append(visit)
        if address is not None:
            visit.open(address)
        return visit

    yield opened
    for visit in visits:
        visit.page.context.close()
    assert [complaint for visit in visits for complaint in visit.complaints] == []


def found(shown: Locator) -> list[int]:
    """The chunks that are found, once they are there."""
    expect(shown.locator("[aria-busy]")).to_have_count(0)
    expect(shown.locator(".hit").first).to_be_visible()
    chunks: list[int] = shown.locator(".hit").evaluate_all(
        "hits => hits.map(hit => +hit.dataset.chunk)"
    )
    return chunks


def chunks(hits: list[dict[str, Any]]) -> list[int]:
    return [hit["chunk_id"] for hit in hits]


def search(service: httpx.Client, **body: Any) -> list[dict[str, Any]]:
    answer = service.post("/v1/collections/handbook/search", json={"result_offset": 0} | body)
    assert answer.status_code == 200, answer.text
    hits: list[dict[str, Any]] = answer.json()["hits"]
    return hits


def test_results_appear_as_one_types(look: Look, service: httpx.Client, tmp_path: Path) -> None:
    visit = look()
    page = visit.page
    expect(page.get_by_text("Search this collection")).to_be_visible()
    page.get_by_role("searchbox", name="Search for").press_sequentially("rotate a key")
    expect(page.locator(".hit")).to_have_count(10)
    hits = search(service, query="rotate a key")
    titles = page.locator(".hit-title").all_inner_texts()
    assert titles == [hit["title"] or hit["document_key"] for hit in hits]
    assert "key" in page.locator(".hit mark").all_inner_texts()
    legs = page.locator(".hit").first.get_by_role("list", name="What each leg contributed")
    for leg, added in hits[0]["contributions"].items():
        expect(legs).to_contain_text(f"{leg} +{added['contribution']:.3f}")
    assert page.locator(".hit").first.locator(".bar-part").count() == 2
    expect(page).to_have_url(re.compile("query=rotate"))
    visit.picture("search", tmp_path)
    page.reload()  # as whoever is sent the address
    expect(page.locator(".hit")).to_have_count(10)
    assert page.locator(".hit-title").all_inner_texts() == titles


def test_what_is_opened_is_logged_where_that_is_wanted(look: Look, service: httpx.Client) -> None:
    """But not what is still being typed."""
    service.put("/v1/collections/handbook/query-logging", json={"retention_days": 1})
    page = look().page
    box = page.get_by_role("searchbox", name="Search for")
    box.press_sequentially("rotate a key")
    expect(page.locator(".hit")).to_have_count(10)
    with page.expect_response("**/search") as answered:
        box.press("Enter")
    assert answered.value.json()["query_id"]
    expect(page.locator("[aria-busy]")).to_have_count(0)
    with page.expect_response("**/clicks") as clicked:
        page.locator(".hit-title").first.click()
    assert clicked.value.status == 204
    report = service.get("/v1/collections/handbook/query-report").json()
    (asked,) = report["clicks"]
    assert (asked["query_text"], asked["queries"], asked["clicks"]) == ("rotate a key", 1, 1)
    service.put("/v1/collections/handbook/query-logging", json={})


def test_nothing_of_a_document_becomes_html(look: Look) -> None:
    page = look(ENCODED + "HTML").page
    text = page.locator(".hit", has_text="unsafe").locator(".hit-text")
    expect(text).to_contain_text("A key <img src=x onerror=alert(1)> in <mark>HTML</mark> & so on.")
    assert text.locator("mark").all_inner_texts() == ["HTML"]
    assert page.locator("main img").count() == 0


def test_a_filter_is_built_and_read(look: Look, service: httpx.Client, tmp_path: Path) -> None:
    visit = look(ENCODED + "room")
    page = visit.page
    expect(page.locator(".hit")).to_have_count(10)
    page.get_by_role("button", name="Add a condition").click()
    page.get_by_label("Key of condition 1").fill("team")
    page.get_by_label("Value of condition 1").fill("people")
    page.get_by_role("button", name="Add a condition").click()
    page.get_by_label("Key of condition 2").fill("year")
    page.get_by_label("Operator of condition 2").select_option("<")
    page.get_by_label("Value of condition 2").fill("2012")
    wanted = {"$and": [{"team": {"$eq": "people"}}, {"year": {"$lt": 2012}}]}
    expected = chunks(search(service, query="room", metadata_filter=wanted))
    expect(page.locator(".hit")).to_have_count(len(expected))
    assert found(page.locator(".search-view")) == expected and 0 < len(expected) < 10
    page.get_by_text("as JSON", exact=True).click()
    written = page.get_by_label("Filter as JSON")
    assert json.loads(written.input_value()) == wanted
    visit.picture("filter", tmp_path)
    written.fill('{"$or": [{"team": "security"}, {"year": {"$in": [2001, 2002]}}]}')
    expect(page.get_by_label("Value of condition 2")).to_have_value("2001, 2002")
    assert page.get_by_label("How the conditions are joined").input_value() == "$or"
    written.fill('{"$not": {"team": "people"}}')
    expect(page.get_by_text("says more than rows can")).to_be_visible()
    written.fill("{")
    expect(page.get_by_text("Not JSON yet")).to_be_visible()
    written.fill("")
    expect(page.locator(".hit")).to_have_count(10)


def test_a_facet_filters(look: Look) -> None:
    page = look(ENCODED + "room").page
    facet = page.get_by_role("region", name="Values of team").get_by_role("button", name="people")
    expect(facet).to_contain_text("8")
    facet.click()
    expect(page.locator(".hit")).to_have_count(8)
    expect(page.get_by_label("Value of condition 1")).to_have_value("people")


def test_a_dragged_slider_changes_the_ranking(look: Look, service: httpx.Client) -> None:
    page = look(ENCODED + "rotate+a+key").page
    expect(page.locator(".hit")).to_have_count(10)
    before = found(page.locator(".search-view"))
    slider = page.get_by_role("slider", name="Weight of keyword")
    box = slider.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 2, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile("weights"))
    assert slider.input_value() == "0"
    weights = {
        "keyword": 0,
        "semantic": float(page.get_by_role("slider", name="Weight of semantic").input_value()),
    }
    hits = search(service, query="rotate a key", weights=weights)
    after = found(page.locator(".search-view"))
    assert after == chunks(hits) and after != before
    page.get_by_role("button", name="Reset").click()
    assert found(page.locator(".search-view")) == before


def test_settings_reach_the_search(look: Look, service: httpx.Client) -> None:
    page = look(ENCODED + "rotate+a+key").page
    expect(page.locator(".hit")).to_have_count(10)
    page.get_by_role("combobox", name="Fusion").select_option("rrf")
    page.get_by_role("checkbox", name="semantic").uncheck()
    page.get_by_text("More", exact=True).locator("visible=true").click()
    most = page.get_by_role("spinbutton", name="Chunks a document")
    most.fill("1")
    most.press("Tab")
    expect(page).to_have_url(re.compile("per_document"))
    hits = search(service, query="rotate a key", fusion="rrf", legs=["keyword"], per_document=1)
    assert found(page.locator(".search-view")) == chunks(hits)
    assert page.locator(".hit").first.locator(".bar-part").count() == 1


def test_a_collection_that_reranks(look: Look, service: httpx.Client) -> None:
    """Its pages end where its reranker does, unless the box says that there is none."""
    path = "/v1/collections/handbook/ranking"
    ranking = {"candidates": 9, "rerank": {"model": "word-overlap", "candidates": 12}}
    try:
        assert service.put(path, json=ranking).status_code == 204
        page = look(ENCODED + "room").page
        box = page.get_by_role("checkbox", name="Rerank the best hits")
        expect(page.locator(".hit .rerank")).to_have_count(10)
        expect(box).to_be_checked()
        page.get_by_role("button", name="Next").click()
        expect(page.locator(".hit .rerank")).to_have_count(2)
        box.uncheck()
        expect(page.locator(".hit .rerank")).to_have_count(0)
        expect(page.locator(".hit")).to_have_count(9)
        expect(page.get_by_role("button", name="Next")).to_have_count(0)
        box.check()
        expect(page).not_to_have_url(re.compile("rerank"))
    finally:
        service.put(path, json={})


def test_pages_and_explanation(look: Look, tmp_path: Path) -> None:
    visit = look(ENCODED + "room")
    page = visit.page
    expect(page.locator(".hit")).to_have_count(10)
    first = found(page.locator(".search-view"))
    page.get_by_text("Explain this search").click()
    expect(page.get_by_role("row", name=re.compile("^semantic"))).to_contain_text("ms")
    visit.picture("explain", tmp_path)
    page.get_by_role("button", name="Next").click()
    expect(page.locator(".hit .rank").first).to_have_text("11")
    assert not set(found(page.locator(".search-view"))) & set(first)
    page.go_back()
    expect(page.locator(".hit .rank").first).to_have_text("1")
    assert found(page.locator(".search-view")) == first


def test_compare(look: Look, service: httpx.Client, tmp_path: Path) -> None:
    visit = look("#compare?collection=handbook&query=rotate+a+key")
    page = visit.page
    sides = [page.get_by_role("region", name=f"Setting {name}") for name in "AB"]
    expect(sides[1].locator(".hit")).to_have_count(10)
    sides[1].get_by_role("checkbox", name="keyword").uncheck()
    expect(page).to_have_url(re.compile("b=.*semantic"))
    a = chunks(search(service, query="rotate a key"))
    b = chunks(search(service, query="rotate a key", fusion="rrf", legs=["semantic"]))
    assert (found(sides[1]), found(sides[0])) == (b, a)
    for place, chunk in enumerate(b, 1):
        moved = sides[1].locator(".hit").nth(place - 1).locator(".moved")
        up = a.index(chunk) + 1 - place if chunk in a else None
        arrow = "new" if up is None else "=" if up == 0 else f"{'▲' if up > 0 else '▼'} {abs(up)}"
        expect(moved).to_contain_text(arrow)
    share = round(100 * len(set(a) & set(b)) / 10)
    expect(page.get_by_text("overlap@10").locator("..")).to_contain_text(f"{share} %")
    visit.picture("compare", tmp_path)


GOLDEN_SETS = "/v1/collections/handbook/golden-sets"


def graded(service: httpx.Client, golden_set: str) -> dict[str, int]:
    answer = service.get(f"{GOLDEN_SETS}/{golden_set}/judgements")
    return {each["document_key"]: each["grade"] for each in answer.json()["judgements"]}


def test_hits_are_judged(look: Look, service: httpx.Client, tmp_path: Path) -> None:
    visit = look(ENCODED + "rotate+a+key")
    page = visit.page
    keys = [hit["document_key"] for hit in search(service, query="rotate a key", per_document=1)]
    page.locator(".judging").get_by_role("button", name="New").click()
    page.get_by_label("Name").fill("客服问题")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_label("Judge into")).to_have_value("客服问题")
    page.locator(".hit").first.get_by_role("button", name="3 answers it").click()
    expect(page.locator("#announcer")).to_have_text("Graded 3")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("1")
    pressed = page.locator(".grade[aria-pressed=true]")
    expect(pressed).to_have_text(["3answers it", "1related"])
    expect(page.locator("#announcer")).to_have_text("Graded 1")
    visit.picture("judge-hits", tmp_path)
    assert graded(service, "客服问题") == {keys[0]: 3, keys[1]: 1}
    page.reload()
    expect(pressed).to_have_count(2)
    page.locator(".hit-title").first.focus()
    page.keyboard.press("3")
    expect(pressed).to_have_text(["1related"])
    expect(page.locator("#announcer")).to_have_text("Grade taken back")  # and stored
    visit.expected.add("404")
    service.delete(f"{GOLDEN_SETS}/客服问题")
    page.keyboard.press("2")
    expect(page.get_by_role("alert").first).to_contain_text("客服问题")
    expect(pressed).to_have_text(["1related"])


def test_settings_are_judged_blind(look: Look, service: httpx.Client, tmp_path: Path) -> None:
    assert service.post(GOLDEN_SETS, json={"name": "blind"}).status_code == 201
    query = {"query_text": "rotate a key"}
    assert service.put(f"{GOLDEN_SETS}/blind/queries", json={"queries": [query]}).is_success
    visit = look("#judge?collection=handbook&judge=blind")
    page = visit.page
    page.get_by_role("checkbox", name="as the collection is set").uncheck()
    page.get_by_label("More settings").fill('{"fusion": "rrf"}')
    page.get_by_label("Documents of each").fill("4")
    page.get_by_role("button", name="Start").click()
    settings = [{"legs": ["keyword"]}, {"legs": ["semantic"]}, {"fusion": "rrf"}]
    body = {**query, "settings": settings, "depth": 4}
    pool = service.post(f"{GOLDEN_SETS}/blind/pool", json=body).json()
    waiting = [each["document_key"] for each in pool["documents"]]
    titles = [each["title"] or each["document_key"] for each in pool["documents"]]
    name = page.locator(".paper h3")
    for key, shown in zip(["2", "s", "0", "u"], [0, 1, 2, 3], strict=True):
        expect(name).to_have_text(titles[shown])
        page.keyboard.press(key)
    expect(name).to_have_text(titles[2])  # its grade is taken back
    expect(page.get_by_text(f"1 of {len(titles)} judged", exact=True)).to_be_visible()
    assert graded(service, "blind") == {waiting[0]: 2}
    assert not page.locator(".desk").get_by_text(re.compile("keyword|semantic|rrf|[Rr]ank")).count()
    visit.picture("judge-blind", tmp_path)
    for shown in range(2, len(titles)):
        expect(name).to_have_text(titles[shown])
        page.get_by_role("button", name="1 related").click()
    expect(page.get_by_text("Nothing is left to judge", exact=True)).to_be_visible()
    assert len(graded(service, "blind")) == len(titles) - 1


COLORS = """canvas => {
    const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const seen = new Set();
    for (let at = 0; at < data.length; at += 4) {
        if (data[at + 3]) seen.add(data.slice(at, at + 3).join());
    }
    return seen.size;
}"""


def test_the_map(look: Look, service: httpx.Client, tmp_path: Path) -> None:
    visit = look(MAP)
    page = visit.page
    canvas = page.locator(".plot canvas")
    expect(canvas).to_have_attribute("data-hits", "10")
    chunks = int(canvas.get_attribute("data-points") or 0)
    assert chunks >= len(DOCUMENTS)
    expect(page.locator(".map-hits a")).to_have_count(10)
    expect(page.get_by_role("region", name="Legend").get_by_role("button")).to_have_count(3)
    page.wait_for_function("document.querySelector('.plot canvas').width > 300")
    assert canvas.evaluate(COLORS) > 10
    visit.picture("map", tmp_path)
    best = search(service, query="rotate a key")[0]
    page.locator(".map-hits a").first.hover()
    expect(page.locator(".tooltip")).to_contain_text(f"Hit 1: {best['title']}, chunk")
    page.get_by_role("region", name="Legend").get_by_role("button", name="people").click()
    canvas.focus()
    page.keyboard.press("Escape")
    for key in ("ArrowRight", "ArrowUp", "+", "-", "ArrowLeft"):
        page.keyboard.press(key)
    told = page.locator(".tooltip strong").inner_text()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=2).first).to_be_visible()
    assert page.locator(".document-head h2").inner_text() in told
    page.go_back()
    expect(canvas).to_have_attribute("data-hits", "10")


def test_a_point_of_the_map_is_clicked(look: Look) -> None:
    page = look(MAP).page
    expect(page.locator(".map-hits a")).to_have_count(10)
    canvas = page.locator(".plot canvas")
    box = canvas.bounding_box()
    assert box is not None
    page.locator(".map-hits a").nth(2).focus()  # which shows it, and so where it is
    expect(page.locator(".tooltip")).to_be_visible()
    name = page.locator(".map-hits .hit-name").nth(2).inner_text()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -300)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 60, box["y"] + box["height"] / 2 + 20, steps=3)
    page.mouse.up()
    page.get_by_role("button", name="Show all").click()
    page.locator(".map-hits a").nth(2).click()
    expect(page.locator(".document-head h2")).to_have_text(name)


def test_a_document_among_its_neighbours(look: Look, tmp_path: Path) -> None:
    visit = look(ENCODED + "%22rotate+a+key%22+revoke")
    page = visit.page
    page.get_by_role("link", name="Rotating keys").first.click()
    current = page.locator(".chunk[aria-current]")
    expect(current).to_contain_text("To rotate a key")
    expect(page.locator(".chunk").first).to_contain_text("What keys are for")
    expect(page.locator(".chunk").last).to_contain_text("Who may ask for keys")
    expect(page.get_by_label("About the document")).to_contain_text("security")
    visit.picture("document", tmp_path)
    page.get_by_role("link", name="Back").click()
    expect(page.locator(".hit").first).to_be_visible()
    expect(page).to_have_url(re.compile("#search"))


def test_an_uploaded_file_is_found(look: Look, tmp_path: Path) -> None:
    visit = look("#documents?collection=handbook")
    page = visit.page
    expect(page.get_by_role("row", name=re.compile("Rotating keys"))).to_be_visible()
    (tmp_path / "zebra.md").write_text("# Zebras\n\nA zebra has stripes.")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 not really")
    page.get_by_label("Metadata of these files").fill('{"team": "animals"}')
    page.get_by_label("Choose files").set_input_files(
        [tmp_path / "zebra.md", tmp_path / "broken.pdf"]
    )
    uploads = page.get_by_role("list", name="Uploaded files")
    expect(uploads.get_by_role("listitem").filter(has_text="zebra.md")).to_contain_text(
        "added, 1 chunk"
    )
    expect(uploads.get_by_role("listitem").filter(has_text="broken.pdf")).to_contain_text("failed")
    visit.picture("upload", tmp_path)
    page.get_by_role("link", name="Search", exact=True).click()
    page.get_by_role("searchbox", name="Search for").fill("zebra stripes")
    expect(page.locator(".hit").first).to_contain_text("animals")


def test_status(look: Look, tmp_path: Path) -> None:
    visit = look("#status?collection=handbook")
    row = visit.page.get_by_role("region", name="Spaces").get_by_role(
        "row", name=re.compile("hashing")
    )
    expect(row).to_contain_text("active")
    expect(row).to_contain_text(re.compile(r"\d+ chunks"))
    expect(visit.page.get_by_text("Nothing waits for a worker")).to_be_visible()
    visit.page.clock.install()
    visit.page.reload()
    expect(row).to_contain_text("active")
    with visit.page.expect_response(re.compile("/spaces$")):  # asked again
        visit.page.clock.fast_forward(3000)
    visit.picture("status", tmp_path)


def test_by_keyboard_alone(look: Look) -> None:
    page = look("#search?collection=handbook").page
    expect(page.get_by_text("Search this collection")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("searchbox", name="Search for")).to_be_focused()
    page.keyboard.type("rotate a key")
    page.keyboard.press("Enter")
    expect(page.locator(".hit")).to_have_count(10)
    page.keyboard.press("/")  # is text, not a shortcut
    page.keyboard.press("Backspace")
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "hit-title":
            break
    expect(page.locator(".hit-title").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".document-head")).to_be_visible()
    expect(page.get_by_role("main")).to_be_focused()  # so that Tab goes on from there
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Back")).to_be_focused()


# what each view has when it has been drawn
READY = {
    "search": ".hit",
    "compare": ".hit",
    "map": ".map-hits a",
    "judge": ".pool-form .switch",
    "documents": "tbody tr",
    "status": "tbody tr",
    "document": ".chunk",
}


def test_nothing_is_wider_than_a_phone(look: Look, tmp_path: Path) -> None:
    visit = look("", width=360, height=780)
    for view in READY:
        visit.open(f"#{view}?collection=handbook&query=key&document=guides/keys.md&color=team")
        page = visit.page
        shown = page.locator(f".{view}-view")
        expect(shown.locator(READY[view]).first).to_be_visible()
        visit.picture(f"{view}-phone", tmp_path)
        shown.evaluate("view => view.querySelectorAll('details').forEach(each => each.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, view


def test_dark_and_light(look: Look, tmp_path: Path) -> None:
    visit = look(ENCODED + "room", color_scheme="dark")
    page = visit.page
    expect(page.locator(".hit")).to_have_count(10)
    background = "getComputedStyle(document.documentElement).backgroundColor"
    dark = page.evaluate(background)
    assert max(map(int, re.findall(r"\d+", dark))) < 60
    visit.picture("search-dark", tmp_path)
    page.get_by_role("button", name="Theme: system").click()
    light = page.evaluate(background)
    assert min(map(int, re.findall(r"\d+", light))) > 200
    page.reload()
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()
    assert page.evaluate(background) == light
    page.get_by_role("button", name="Theme: light").click()
    assert page.evaluate(background) == dark


def test_the_first_collection_is_made_here(look: Look, tmp_path: Path) -> None:
    visit = look(None)
    page = visit.page
    page.route("**/v1/collections", _nothing)
    visit.open()
    expect(page.get_by_text("No collection yet")).to_be_visible()
    visit.picture("no-collection", tmp_path)
    page.unroute("**/v1/collections")
    page.get_by_role("button", name="Create a collection").click()
    visit.expected.add("409")
    page.get_by_label("Name").fill("handbook")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("The name is taken")
    page.get_by_label("Name").fill("made here")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_label("Collection", exact=True)).to_have_value("made here")
    expect(page.get_by_text("Search this collection")).to_be_visible()


def _nothing(route: Route) -> None:
    if route.request.method == "GET":
        route.fulfill(json={"collections": []})
    else:
        route.continue_()


def test_a_key_is_asked_for(look: Look) -> None:
    visit = look(None)
    visit.expected.add("401")
    page = visit.page

    def guard(route: Route) -> None:
        if route.request.headers.get("authorization") == "Bearer secret":
            route.continue_()
        else:
            problem = {"title": "A key is needed", "detail": "send one", "status": 401}
            route.fulfill(status=401, json=problem)

    page.route("**/v1/**", guard)
    visit.open(ENCODED + "room")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Key").fill("wrong")
    dialog.get_by_role("button", name="Use this key").click()
    expect(page.get_by_text("did not take that key")).to_be_visible()
    page.get_by_role("dialog").get_by_label("Key").fill("secret")
    page.keyboard.press("Enter")
    expect(page.locator(".hit")).to_have_count(10)
    assert page.evaluate("sessionStorage.getItem('retrieval.api-key')") == "secret"
    assert page.evaluate("JSON.stringify(localStorage)").find("secret") < 0


def test_an_error_is_one_message(look: Look) -> None:
    visit = look(ENCODED + 'room&filter={"year":{"$near":3}}')
    visit.expected.add("422")
    expect(visit.page.get_by_role("alert").first).to_contain_text("$near")
    expect(visit.page.get_by_text("The search failed")).to_be_visible()
    visit.page.get_by_label("Filter as JSON").fill("")
    expect(visit.page.locator(".hit")).to_have_count(10)
    expect(visit.page.locator("#problem")).to_be_hidden()
