# The service, with PyTorch's CPU build and the default model's weights; runs as an ordinary user.
FROM python:3.13-slim AS build
WORKDIR /source
RUN python -m venv /opt/retrieval
ENV PATH=/opt/retrieval/bin:$PATH
COPY constraints.txt .
RUN pip install --no-cache-dir --constraint constraints.txt \
    "torch==2.13.0+cpu" --extra-index-url https://download.pytorch.org/whl/cpu
COPY pyproject.toml README.md LICENSE ./
COPY retrieval retrieval
COPY migrations migrations
COPY sql sql
RUN pip install --no-cache-dir --constraint constraints.txt ".[files,model]"

FROM python:3.13-slim
RUN useradd --create-home retrieval
COPY --from=build /opt/retrieval /opt/retrieval
ENV PATH=/opt/retrieval/bin:$PATH
USER retrieval
EXPOSE 8000
CMD ["retrieval", "serve", "--host", "0.0.0.0"]
