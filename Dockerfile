# qdash in a container: `docker build -t qdash .` for CPUs, with `--build-arg TORCH=cuda` for NVIDIA GPUs. docs/hosting.md has the commands.
FROM python:3.12-slim
ARG TORCH=cpu
# A compiler counts weights ten times faster than PyTorch's operations do.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 qdash \
    && install -d -o qdash -g qdash -m 700 /data
WORKDIR /app
COPY requirements.txt .
RUN if [ "$TORCH" = cpu ]; then \
      grep -E '^torch(vision)?==' requirements.txt > torch.txt \
      && pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu -r torch.txt; \
    fi \
    && pip install --no-cache-dir -r requirements.txt
COPY app.py README.md ./
COPY assets assets
COPY docs docs
COPY qdash qdash
USER 1000
ENV QDASH_HOST=0.0.0.0 QDASH_CACHE_DIR=/data/cache QDASH_HISTORY=/data/history.sqlite3 HF_HOME=/data/hub
VOLUME /data
EXPOSE 7860
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/config', timeout=5)"]
CMD ["python", "app.py"]
