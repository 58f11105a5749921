#!/usr/bin/env bash
# All figures of a machine in one call: the check, the bench with its report, the peers, and one table of ratios.
#
#   benches/all.sh FOLDER
#
# HADAMARD and PEERS name programs built elsewhere; otherwise they are built here. PYTHON is the interpreter, SIZE the
# side of the tensors that are compared. What fails or is missing is noted, and the rest goes on.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: benches/all.sh FOLDER}
# Beyond the caches of a large GPU; the shapes then reach from [16M, 4] to [4, 16M].
size=${SIZE:-$(command -v nvidia-smi >/dev/null && echo 8192 || echo 4096)}
python=${PYTHON:-python3}
mkdir -p "$out"

# Runs a command, its output into a file; says how it went.
step() {
    local file=$1
    shift
    printf '%s: %s\n' "$file" "$*"
    "$@" >"$out/$file" 2>"$out/$file.err" || printf '  exit code %d; see %s.err\n' $? "$file"
    [[ -s "$out/$file.err" ]] || rm -f "$out/$file.err"
}

hadamard=${HADAMARD:-}
if [[ -z "$hadamard" ]]; then
    cargo build --release --features cli --manifest-path "$here/../Cargo.toml" || exit
    hadamard=$here/../target/release/hadamard
fi
peers=${PEERS:-}
if [[ -z "$peers" ]] && command -v cargo >/dev/null; then
    cargo build --release --manifest-path "$here/peers/Cargo.toml" && peers=$here/peers/target/release/peers
fi

step devices.txt "$hadamard" devices
step check.txt "$hadamard" check
[[ -n "$peers" ]] && step rust.jsonl "$peers" --size "$size"
command -v "$python" >/dev/null && step python.jsonl "$python" "$here/peers/peers.py" --size "$size"
# Libraries may print other lines between; table.py names them.
beside=()
grep -hs '^{' "$out/rust.jsonl" "$out/python.jsonl" >"$out/beside" && beside=(--peers "$out/beside")
step hadamard.jsonl "$hadamard" bench --size "$size" --json --report "$out/report.html" "${beside[@]}"
rm -f "$out/beside"
command -v "$python" >/dev/null && step table.md "$python" "$here/peers/table.py" "$out"/*.jsonl
printf 'Done: %s\n' "$out"
