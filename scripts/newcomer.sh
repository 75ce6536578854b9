#!/bin/sh
# Follow docs/start.md as a newcomer does: a fresh clone, an empty HOME, the page's commands and no others.
#
#   scripts/newcomer.sh [FOLDER]
#
# Prints the seconds of each command and their sum, and writes them to FOLDER/steps.tsv (default: a new folder
# under TMPDIR). pip reads its own variables, as for an index nearby. Needs git, bash and python3; exit 1 where a
# command fails or no reward curve comes of them.
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
place=${1:-$(mktemp -d)}
mkdir -p "$place/home"
place=$(CDPATH= cd -- "$place" && pwd)
[ ! -e "$place/clone" ] || { echo "newcomer.sh: $place/clone is there already: name a new folder" >&2; exit 1; }
git clone --quiet "$root" "$place/clone"
cd "$place/clone"
awk '/^```sh$/ { on = 1; next } /^```$/ { on = 0 } on' docs/start.md > "$place/commands.sh"
# bash writes each command with the time at which it begins.
code=0
env -u PYTHONPATH -u VIRTUAL_ENV -u XDG_CACHE_HOME -u XDG_DATA_HOME HOME="$place/home" BASH_XTRACEFD=9 \
    bash -c 'PS4="+ \$EPOCHREALTIME "; set -eux; . "$1"' newcomer "$place/commands.sh" 9> "$place/trace" || code=$?
bash -c 'echo "+ $EPOCHREALTIME end"' >> "$place/trace"
awk '/^\++ [0-9]+[.,][0-9]+ / {
    now = $2; sub(",", ".", now)
    if (said) { printf "%.1f\t%s\n", now - began, said; sum += now - began }
    said = $0; sub(/^\++ [^ ]+ /, "", said); began = now
} END { printf "%.1f\tin all\n", sum }' "$place/trace" > "$place/steps.tsv"
cat "$place/steps.tsv"
[ "$code" = 0 ] || { echo "newcomer.sh: a command of docs/start.md failed ($code)" >&2; exit 1; }
grep -q '"reward"' first/run/metrics.jsonl && [ -s first/run/report.html ] || {
    echo "newcomer.sh: no reward curve in $place/clone/first/run" >&2
    exit 1
}
