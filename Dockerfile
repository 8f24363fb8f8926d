# Four images with one base: trainer, mlflow, page, fetch. Node and consensus come from their bentos
# (`bentoml containerize`); `make images` builds all six.
#
# Packages come before code, each from the lock's one group, so a change of code rebuilds the last
# layer only. What builds them (uv, its caches) stays behind in the stages above. Users are numeric,
# so that Kubernetes can check `runAsNonRoot`; nothing but /tmp is written, and HOME is there.

ARG PYTHON=python:3.11-slim

FROM ${PYTHON} AS base
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
RUN groupadd --gid 1034 concord && useradd --uid 1034 --gid 1034 --home-dir /tmp --no-create-home concord
WORKDIR /app

# One list of packages an image. Layers below depend on the lists' text, so a change of pyproject.toml or of
# another image's lock installs nothing anew.
FROM base AS lists
RUN --mount=type=cache,target=/tmp/.cache/pip pip install --quiet --root-user-action=ignore uv
COPY pyproject.toml uv.lock ./
RUN export="uv export --quiet --frozen --no-header --no-annotate --no-emit-project" \
    && $export --no-default-groups --group training --group cluster > /trainer.txt \
    && $export --no-default-groups --group frontend > /page.txt \
    && $export --only-group fetch > /fetch.txt \
    # MLflow asks for what fits and plots models as well; its server imports none of it.
    && $export --only-group tracking $(printf -- '--no-emit-package %s ' scikit-learn scipy matplotlib \
        contourpy cycler fonttools kiwisolver pillow joblib threadpoolctl skops) > /mlflow.txt

FROM base AS installer
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
RUN --mount=type=cache,target=/tmp/.cache/pip pip install --quiet --root-user-action=ignore uv \
    && uv venv --quiet --python /usr/local/bin/python /app/.venv

FROM installer AS trainer-packages
COPY --from=lists /trainer.txt /packages.txt
RUN --mount=type=cache,target=/tmp/.cache/uv uv pip install --quiet --no-deps -r /packages.txt

FROM installer AS mlflow-packages
COPY --from=lists /mlflow.txt /packages.txt
RUN --mount=type=cache,target=/tmp/.cache/uv uv pip install --quiet --no-deps -r /packages.txt

FROM installer AS page-packages
COPY --from=lists /page.txt /packages.txt
RUN --mount=type=cache,target=/tmp/.cache/uv uv pip install --quiet --no-deps -r /packages.txt

FROM installer AS fetch-packages
COPY --from=lists /fetch.txt /packages.txt
RUN --mount=type=cache,target=/tmp/.cache/uv uv pip install --quiet --no-deps -r /packages.txt

# Fits and registers models (`fit`), and moves versions: `concord models promote iris.knn 8`.
FROM base AS trainer
ENV CONCORD_HOME=/tmp/concord MPLCONFIGDIR=/tmp/matplotlib
RUN printf '#!/app/.venv/bin/python\nfrom concord.cli import main\nmain()\n' > /usr/local/bin/concord \
    && chmod 755 /usr/local/bin/concord
COPY --from=trainer-packages /app/.venv /app/.venv
COPY bentos bentos
COPY training training
COPY concord concord
USER 1034:1034
ENTRYPOINT ["python", "-m", "training"]
CMD ["--help"]

# The registry. One worker and no jobs: two processes instead of ten. MLflow answers 403 to a Host that
# it doesn't know, so its Service's names go into MLFLOW_SERVER_ALLOWED_HOSTS.
FROM base AS mlflow
ENV MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
COPY --from=mlflow-packages /app/.venv /app/.venv
COPY concord/__init__.py concord/
COPY concord/observability/__init__.py concord/observability/exporter.py concord/observability/process_metrics.py concord/observability/
USER 1034:1034
EXPOSE 5000 9464
ENTRYPOINT ["python", "-m", "concord.observability.exporter", "0.0.0.0:9464", "mlflow", "server", "--host", "0.0.0.0", "--port", "5000", "--workers", "1"]
CMD ["--backend-store-uri", "sqlite:////mlflow/mlflow.db", "--artifacts-destination", "/mlflow/artifacts"]

FROM base AS page
ENV STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    STREAMLIT_SERVER_PORT=8501 \
    STREAMLIT_SERVER_HEADLESS=true \
    STREAMLIT_SERVER_FILE_WATCHER_TYPE=none \
    STREAMLIT_BROWSER_GATHER_USAGE_STATS=false
COPY --from=page-packages /app/.venv /app/.venv
COPY frontend frontend
COPY concord concord
USER 1034:1034
EXPOSE 8501 9464
ENTRYPOINT ["python", "-m", "concord.observability.exporter", "0.0.0.0:9464", "streamlit", "run", "frontend/server.py"]

# The init step of a node that serves a registry version: brings it, checks it, ends.
FROM base AS fetch
COPY --from=fetch-packages /app/.venv /app/.venv
COPY training/__init__.py training/
COPY training/registry/__init__.py training/registry/fetch.py training/registry/download.py training/registry/versions.py training/registry/
COPY concord/__init__.py concord/errors.py concord/
COPY concord/observability/__init__.py concord/observability/logs.py concord/observability/
COPY concord/tasks/__init__.py concord/tasks/schema.py concord/tasks/class_names.py concord/tasks/csv_dialect.py concord/tasks/names.py concord/tasks/numbers.py concord/tasks/
COPY concord/types concord/types
COPY concord/util concord/util
USER 1034:1034
ENTRYPOINT ["python", "-m", "training.registry.fetch"]
