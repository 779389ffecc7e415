# One image for every role, the API, the dashboard and the commands: what runs is said by the command,
# for example `driftline consume` or `python -m consumers detect --slot 0`.
# It holds no HEALTHCHECK: the API and the dashboard have theirs in docker-compose.yml, and a role that
# cannot go on ends, to be started again; how the roles fare stands under /health of the API.

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/driftline
ENV PATH=/opt/driftline/bin:$PATH
WORKDIR /source
# The dependencies first: they change seldom, and take about 1 GB and a minute.
COPY requirements.lock ./
RUN pip install --require-hashes --only-binary :all: --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY api api
COPY consumers consumers
COPY dashboard dashboard
COPY driftline driftline
COPY monitor monitor
COPY producers producers
RUN pip install --no-deps --no-build-isolation .

FROM python:3.13-slim
RUN useradd --system --create-home --uid 10001 driftline \
    && install --directory --owner=driftline --group=driftline /var/lib/driftline
COPY --from=build /opt/driftline /opt/driftline
ENV PATH=/opt/driftline/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DRIFTLINE_STATE__DIRECTORY=/var/lib/driftline
WORKDIR /var/lib/driftline
# By number, so that Kubernetes can see that it is not root.
USER 10001
CMD ["driftline", "--help"]
