#!/bin/sh
# Starts Beam's job server with an Apache Flink inside, runs a command, and stops it.
#
# Usage: tools/flink.sh COMMAND...    The command finds the server's address in GRAFT_FLINK.
#
# The server is a Java program of 150 MB, which Maven brings into .tools/flink once.
set -eu
cd "$(dirname "$0")/.."

for program in java mvn; do
    command -v "$program" >/dev/null || {
        echo "$program is not installed; Flink needs Java 11 or 17, and Maven brings its parts" >&2
        exit 1
    }
done

parts=.tools/flink
if [ ! -e "$parts/.whole" ] || [ deploy/flink/pom.xml -nt "$parts/.whole" ]; then
    echo "bringing Flink and Beam's job server into $parts (150 MB, once)"
    rm -rf "$parts"
    mvn --quiet --batch-mode -Dstyle.color=never -f deploy/flink/pom.xml dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$PWD/$parts"
    touch "$parts/.whole"
fi

port=${FLINK_PORT:-8099}
folder=$(mktemp -d)
java -Xmx1g -cp "$parts/*" org.apache.beam.runners.flink.FlinkJobServerDriver \
    --flink-master='[local]' --job-host=localhost --job-port="$port" \
    --artifact-port=0 --expansion-port=0 --artifacts-dir="$folder/artifacts" >"$folder/log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT INT TERM

waited=0
until .venv/bin/python -c "
import socket; socket.create_connection(('localhost', $port), 1)" 2>/dev/null; do
    kill -0 "$server" 2>/dev/null && [ $waited -lt 60 ] || { cat "$folder/log" >&2; exit 1; }
    waited=$((waited + 1))
    sleep 1
done

status=0
GRAFT_FLINK="localhost:$port" "$@" || status=$?
[ $status = 0 ] || tail -n 20 "$folder/log" >&2
exit $status
