# medimgr in a container: docs/deployment.md. No secret goes into it; they come from the environment or from files.
#   docker build -t medimgr .
FROM python:3.11-slim-bookworm AS packages

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements.txt /tmp/requirements.txt
RUN /opt/venv/bin/pip install --only-binary :all: -r /tmp/requirements.txt && \
    /opt/venv/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim-bookworm

# The user is a number, so that whoever demands that nobody is root can see it.
RUN groupadd --gid 10001 medimgr && \
    useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin medimgr && \
    install --directory --owner=10001 --group=10001 --mode=0700 /data
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY manage.py ./
COPY medimgr ./medimgr
COPY monitoring ./monitoring
COPY operations ./operations
COPY workstations ./workstations
COPY templates ./templates
RUN /opt/venv/bin/python -m compileall -q /app

# Nothing is written but to /data and /tmp: run it with --read-only --tmpfs /tmp.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MEDIMGR_DATA_DIR=/data \
    MEDIMGR_LOG_FORMAT=json
VOLUME /data
USER 10001:10001
EXPOSE 8000
# It stops its services in order; see stop_grace_period in compose.yaml.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-m", "medimgr.ready_probe", "8000"]
ENTRYPOINT ["python", "manage.py"]
CMD ["up", "--bind", "0.0.0.0:8000"]
