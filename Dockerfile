# smalldet as a service. Build and run:
#
#   docker build -t smalldet .
#   openssl rand -hex 24 > token && chmod 644 token
#   docker run --rm -p 8000:8000 -v "$PWD/token:/run/secrets/token:ro" \
#       -v "$PWD/pictures:/data:ro" -v smalldet-jobs:/jobs smalldet
#
# The image computes on the CPU. TORCH_BACKEND=auto or cu130, say, at build takes a build of torch
# for graphics cards, with which `docker run --gpus all` works.

FROM python:3.11-slim

ARG TORCH_BACKEND=cpu
ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    SMALLDET_CACHE=/jobs/cache

RUN useradd --uid 10001 --create-home smalldet \
    && mkdir /data /jobs \
    && chown smalldet /jobs

WORKDIR /opt/smalldet
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src ./src
RUN pip install --constraint constraints.txt uv \
    && uv pip install --python "$(command -v python)" --no-cache --torch-backend "$TORCH_BACKEND" \
        --constraints constraints.txt ".[serve]"

USER smalldet
WORKDIR /jobs
VOLUME /jobs
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", \
    "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["smalldet", "serve", "--host", "0.0.0.0", "--port", "8000", \
    "--token-file", "/run/secrets/token", "--data-dir", "/data", "--jobs-dir", "/jobs"]
