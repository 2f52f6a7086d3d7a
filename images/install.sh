#!/bin/sh
# Install packages into an image, as `uv pip install` takes them: without what no step uses, and
# compiled, since who runs a step may write nothing beside its modules.
set -eu
environment=/opt/coralline
packages=$(echo "$environment"/lib/python3*/site-packages)
before=$(mktemp)

/opt/uv/bin/uv pip install --quiet --cache-dir=/root/.cache/uv --link-mode=copy --no-deps \
    --python="$environment" "$@"
rm "$environment"/.lock

# Tests, C headers, of Arrow its RPC and its own client of S3, of LiteRT what is for GPUs and NPUs.
find "$packages" -type d -name tests -prune -exec rm -rf {} +
rm -rf "$packages"/*/include \
    "$packages"/pyarrow/libarrow_flight.so* "$packages"/pyarrow/_flight.* \
    "$packages"/pyarrow/libarrow_s3.so* "$packages"/pyarrow/_s3fs.* \
    "$packages"/ai_edge_litert/libLiteRtWebGpuAccelerator.so "$packages"/ai_edge_litert/vendors

# The same source gives the same bytes: no times in them, and sets in one order.
find "$packages" -name '*.py' -cnewer "$before" -print0 | sort --zero-terminated \
    | PYTHONHASHSEED=0 xargs --null --no-run-if-empty \
        "$environment"/bin/python -m compileall -q --invalidation-mode=unchecked-hash
rm "$before"
