"""What stands before the routes, in the order in which a request meets it."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from retrieval.service.authentication import Authentication
from retrieval.service.database_roles import DatabaseRoles
from retrieval.service.loopback import LoopbackOnly
from retrieval.service.require_key import RequireKey
from retrieval.settings import Settings


def install_security(app: FastAPI, settings: Settings) -> None:
    """Ask for keys, or keep to the loopback address; let web pages of the listed origins in.

    Only the headers that say who may do what are answered to a page: no cookie is ever used.
    """
    app.state.authentication = Authentication() if settings.authentication == "keys" else None
    app.state.database_roles = DatabaseRoles()
    # what is added last is met first: an answer to a page of another origin, a refusal too, says so
    if app.state.authentication is not None:
        app.add_middleware(RequireKey, authentication=app.state.authentication)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["*"],
            expose_headers=["*"],
            allow_credentials=False,
        )
    if app.state.authentication is None:
        app.add_middleware(LoopbackOnly, allowed_origins=settings.cors_origins)
