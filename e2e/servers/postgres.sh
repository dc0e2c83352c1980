#!/usr/bin/env bash
# A PostgreSQL server of its own for the tests, from Debian's packages.
#
#   postgres.sh start|stop|status|env|crash [DIR]     DIR: /tmp/tank-servers/postgres
#
# 127.0.0.1:54329 (PG_PORT), superuser and database tank, password tank. crash: SIGKILL to all of
# it, start recovers. PG_FAST=1 turns fsync off, for suites that prove nothing about durability.
set -euo pipefail
NAME=postgres
DIR=${2:-/tmp/tank-servers/postgres}
PORT=${PG_PORT:-54329}
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

print_env() { echo "export TANK_TEST_POSTGRES_URL=postgres://tank:tank@127.0.0.1:$PORT/tank"; }
binaries() { # sets BIN
  for BIN in /usr/lib/postgresql/*/bin; do [ ! -x "$BIN/postgres" ] || return 0; done
  return 1
}
unprivileged() { # the server refuses to run as root
  if [ "$(id -u)" != 0 ]; then echo "$@"; else
    echo setpriv "--reuid=$ACCOUNT" "--regid=$(id -g "$ACCOUNT")" --clear-groups -- "$@"
  fi
}
ready() {
  [ "$(sed -n '1p;8p' "$DIR/data/postmaster.pid" 2>/dev/null | tr -d ' ' | tr '\n' ' ')" = "$(pid_of postgres) ready " ]
}
crash() {
  alive postgres || die 'not running'
  local pid child
  pid=$(pid_of postgres)
  for child in $pid $(ps -o pid= --ppid "$pid"); do kill -KILL "$child" 2>/dev/null || true; done
  rm -f "$DIR/run/postgres.pid"
  for _ in $(seq 100); do [ -e "/proc/$pid" ] || return 0; sleep 0.1; done
  die "process $pid is still there"
}
start() {
  binaries || { need_pkgs postgresql-15; binaries || die 'no server binary'; }
  need_pkgs procps
  mkdir -p "$DIR"/{log,run,data}
  DIR=$(cd "$DIR" && pwd)
  if alive postgres; then print_env; return 0; fi
  ! port_open "$PORT" || die "port $PORT is taken"
  if [ "$(id -u)" = 0 ]; then
    ACCOUNT=postgres
    id -u postgres >/dev/null 2>&1 || ACCOUNT=nobody
    chown "$ACCOUNT" "$DIR/data" "$DIR/run"
  fi
  cd /
  if [ ! -e "$DIR/data/tank-ready" ]; then
    find "$DIR/data" -mindepth 1 -delete
    printf 'tank\n' >"$DIR/run/password"
    [ "$(id -u)" != 0 ] || chown "$ACCOUNT" "$DIR/run/password"
    # shellcheck disable=SC2046
    $(unprivileged "$BIN/initdb") -D "$DIR/data" -U tank -A scram-sha-256 --pwfile="$DIR/run/password" \
      -E UTF8 --locale=C.UTF-8 --no-sync >"$DIR/log/initdb.log" 2>&1 ||
      { tail -5 "$DIR/log/initdb.log" >&2; die 'initdb failed'; }
  fi
  local options=(-c listen_addresses=127.0.0.1 -c "port=$PORT" -c "unix_socket_directories=$DIR/run"
    -c max_connections=200)
  [ -z "${PG_FAST:-}" ] || options+=(-c fsync=off -c synchronous_commit=off -c full_page_writes=off)
  # shellcheck disable=SC2046
  background postgres $(unprivileged "$BIN/postgres") -D "$DIR/data" "${options[@]}"
  local i
  for i in $(seq 300); do
    ! ready || break
    alive postgres || { tail -5 "$DIR/log/postgres.log" >&2; die 'the server ended'; }
    [ "$i" -lt 300 ] || die 'the server is not ready'
    sleep 0.1
  done
  if [ ! -e "$DIR/data/tank-ready" ]; then
    PGPASSWORD=tank psql -qX -h 127.0.0.1 -p "$PORT" -U tank -d postgres -c 'CREATE DATABASE tank'
    touch "$DIR/data/tank-ready"
  fi
  print_env
}
case ${1:-} in
  start) start ;;
  stop) finish postgres INT ;;
  status) status_of postgres ;;
  crash) crash ;;
  env) print_env ;;
  *) die "usage: $0 start|stop|status|env|crash [DIR]" ;;
esac
