# A Longtake worker. The queue it serves is said on the command line: worker.py --queues studio
# With the entrypoint `python -m gateway` and a health check of its own it is the gateway.
FROM python:3.13.9-slim-bookworm AS build
RUN python -m venv /opt/longtake
COPY requirements.lock /tmp/requirements.lock
RUN /opt/longtake/bin/pip install --no-cache-dir --require-hashes --no-deps -r /tmp/requirements.lock

FROM python:3.13.9-slim-bookworm
RUN useradd --create-home --uid 10001 longtake \
 && mkdir /work && chown longtake /work
COPY --from=build /opt/longtake /opt/longtake
WORKDIR /srv/longtake
COPY worker.py composition.py ./
COPY workflows_temporal workflows_temporal
COPY activities activities
COPY comfy_workflows comfy_workflows
COPY gateway gateway
COPY studio studio
ENV PATH=/opt/longtake/bin:$PATH PYTHONUNBUFFERED=1 WORK_DIR=/work METRICS_ADDRESS=0.0.0.0:9464
USER longtake
VOLUME /work
# The metrics endpoint answers from the moment the worker is connected to Temporal.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=4 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9464/metrics', timeout=3)"]
ENTRYPOINT ["python", "worker.py"]
CMD ["--queues", "studio,kling,media"]
