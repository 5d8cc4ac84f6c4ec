# syntax=docker/dockerfile:1
# Every program of Tally's: `docker run … tally web`, or another name that bin/tally knows.

FROM python:3.11.14-slim-trixie AS build
COPY requirements.txt /
# From wheels alone, so that nothing is ever compiled here.
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --require-hashes --only-binary :all: --requirement /requirements.txt
COPY manage.py /app/
COPY bin /app/bin
COPY tally /app/tally
COPY project /app/project
COPY console /app/console
COPY counter /app/counter
COPY tasks /app/tasks
# Checked by what a file holds, not by its time: the image's file system is read-only where it runs.
RUN python -m compileall -q --invalidation-mode unchecked-hash /app

FROM python:3.11.14-slim-trixie
ARG VERSION=1.0.0
LABEL org.opencontainers.image.title="Tally" \
      org.opencontainers.image.description="Unique ids per minute: exact, fast, and delivered to Kafka exactly once" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}"
# By number, so that Kubernetes can tell that it is not root. Where nothing is mounted, it may write to these two.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin tally \
    && install --directory --owner tally --group tally /var/lib/tally /run/tally
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/app/bin:/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PROMETHEUS_MULTIPROC_DIR=/run/tally/metrics \
    TALLY_HOME=/var/lib/tally
WORKDIR /app
USER 10001:10001
# No HEALTHCHECK: each program has one of its own, in docker-compose.yml and ops/helm.
ENTRYPOINT ["tally"]
CMD ["web"]
