# greenkd on a machine's processor: built as a wheel, installed from it. docs/install.md has the commands.
FROM python:3.12-slim AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM python:3.12-slim
# Where PyTorch's builds without CUDA are, if they are wanted: its address as a --build-arg.
ARG PIP_EXTRA_INDEX_URL
RUN --mount=type=bind,from=build,source=/wheel,target=/wheel pip install --no-cache-dir /wheel/*.whl
WORKDIR /work
ENTRYPOINT ["greenkd"]
