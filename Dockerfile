FROM python:3.11-slim AS build
COPY requirements.txt .
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.txt

FROM python:3.11-slim
RUN useradd --system --create-home tally
COPY --from=build /venv /venv
WORKDIR /app
COPY manage.py .
COPY project project
COPY counter counter
COPY tasks tasks
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 TALLY_HOME=/home/tally
USER tally
