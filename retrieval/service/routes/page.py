"""The page: static files, the same for everybody; what they show they ask the API for."""

import hashlib
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

FOLDER = Path(__file__).resolve().parent.parent / "page"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# only what was here at the start is served, whatever a path says
FILES = {
    file.relative_to(FOLDER).as_posix(): MEDIA_TYPES[file.suffix]
    for file in FOLDER.rglob("*")
    if file.suffix in MEDIA_TYPES
}

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
def page(request: Request) -> Response:
    """The page itself."""
    return _file("index.html", request)


@router.api_route("/page/{name:path}", methods=["GET", "HEAD"])
def page_file(name: str, request: Request) -> Response:
    """A script, a style sheet or an image of the page."""
    return _file(name, request)


def _file(name: str, request: Request) -> Response:
    """A file, or 304 where the browser has it.

    The tag is of the content: files of a wheel have all the same time.
    """
    if name not in FILES:
        raise HTTPException(404)
    content = (FOLDER / name).read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=FILES[name])
