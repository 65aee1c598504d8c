#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# How long the quick kit takes on emulated devices: seconds by the clock and seconds of processors, for each backend of a
# plugin and each device.
#   emulate.sh BIN PLUGIN.so DEVICE...      emulate.sh build/dev/bin build/dev/lib/attnrt/plugins/triton_attn.so 8.0 9.0
set -euo pipefail
bin=$1 plugin=$2
shift 2
ATTNRT_PLUGIN_PATH=$(dirname "$(realpath "$plugin")")
export ATTNRT_PLUGIN_PATH
backends=$("$bin/attnrt" list --json | python3 -c '
import json, os, sys
for row in json.load(sys.stdin)["plugins"]:
    if os.path.basename(row["file"]) == os.path.basename(sys.argv[1]):
        print(*[backend["name"] for backend in row["backends"]])' "$plugin")
printf '%s, %s processors\n' "$(sed -n 's/^model name[^:]*: //p;T;q' /proc/cpuinfo)" "$(nproc)"
TIMEFORMAT='%R s, %U s user, %S s system'
for device in "$@"; do
  for backend in $backends; do
    printf '%-8s %-16s ' "cuda:$device" "$backend"
    time "$bin/attnrt" verify --emulate "cuda:$device" "$backend" --quick >/dev/null
  done
done
