"""The HTTP service: the retriever's methods under /v1, errors as RFC 9457 problem details."""

from retrieval.service.app import create_app

__all__ = ["create_app"]
