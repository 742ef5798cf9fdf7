# syntax=docker/dockerfile:1
# The service, the worker and the command line, with PyTorch's CPU build and the default model's
# weights; runs as an ordinary user, on a read-only file system if that is wanted.
FROM python:3.13.9-slim-trixie AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
# without pip of its own: nothing is installed into the final image later
RUN python -m venv --without-pip /opt/retrieval
COPY constraints.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/retrieval/bin/python install --constraint constraints.txt \
        --extra-index-url https://download.pytorch.org/whl/cpu "torch==2.13.0+cpu"
COPY pyproject.toml README.md LICENSE ./
COPY retrieval retrieval
COPY migrations migrations
COPY sql sql
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/retrieval/bin/python install --constraint constraints.txt \
        ".[files,mcp,model,openai]"

FROM python:3.13.9-slim-trixie
LABEL org.opencontainers.image.title="retrieval" \
      org.opencontainers.image.description="Keyword, semantic and hybrid search inside PostgreSQL" \
      org.opencontainers.image.licenses="Apache-2.0"
# the cache of models is a volume's mount point, which takes its owner from here
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin retrieval \
    && install --directory --owner=retrieval --group=retrieval /home/retrieval/.cache
COPY --from=build /opt/retrieval /opt/retrieval
ENV PATH=/opt/retrieval/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp/matplotlib
USER 10001
WORKDIR /home/retrieval
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
CMD ["retrieval", "serve", "--host", "0.0.0.0"]
