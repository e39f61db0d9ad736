#!/usr/bin/env bash
# The peers, each in an environment of its own:
#
#     benchmarks/peers/install.sh .peers [vllm]
#
# torch comes first and by its exact version, since a range brings gigabytes of CUDA; torch and
# transformers are those preftune is tested with, so that both sides compute with the same.
set -euo pipefail
folder=${1:?name a folder for the environments, .peers for instance}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
cd "$(dirname "$0")/../.."

pins=$folder/constraints.txt
grep -E '^(torch|transformers)==' constraints.txt >"$pins"
torch=$(grep '^torch==' "$pins")

for peer in trl116:1.16.0 trl112:1.12.0; do
    venv=$folder/${peer%%:*}
    if [ -e "$venv/.ready" ]; then continue; fi
    "${PYTHON:-python3}" -m venv "$venv"
    install=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)
    "${install[@]}" "$torch" numpy
    "${install[@]}" -c "$pins" "trl==${peer##*:}"
    "$venv/bin/python" -c 'import trl'
    touch "$venv/.ready"
done

if [ "${2:-}" = vllm ]; then
    .ci/vllm
    ln -sfn "$PWD/.venv-vllm" "$folder/vllm"
fi
