#!/usr/bin/env bash
# What a newcomer does: clone, `npm start`, ask, stop, start again. As root in a clone that only root
# can enter, with a data directory whose path is long, and as an ordinary account.
#
#   e2e/fresh-clone.sh        (as root; needs git, curl and npm)
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
[ "$(id -u)" = 0 ] || { echo 'fresh-clone: needs root' >&2; exit 1; }
work=$(mktemp -d --tmpdir=/root)   # 0700
public=$(mktemp -d)
chmod 755 "$public"
leader=
away=()                             # where a database lies whose account cannot enter our folders

in_session() { # processes of a session that still live
  cat /proc/[0-9]*/stat 2>/dev/null | sed 's/^\([0-9]*\) .*) /\1 /' |
    awk -v s="$1" '$5 == s && $2 != "Z" {print $1}'
}
in_folders() { # processes that work on our folders; a database server has a session of its own
  local p folder
  for p in /proc/[0-9]*; do
    for folder in "$work" "$public" "${away[@]}"; do
      if grep -qaF "$folder" "$p/cmdline" 2>/dev/null; then echo "${p#/proc/}"; fi
    done
  done
}
cleanup() {
  local p
  for p in ${leader:+$(in_session "$leader")} $(in_folders); do kill -KILL "$p" 2>/dev/null || true; done
  rm -rf "$work" "$public" "${away[@]}"
}
trap cleanup EXIT
fail() {
  echo "fresh-clone: $*" >&2
  tail -40 "$public/log" >&2 || true
  exit 1
}
now() { date +%s%N | cut -c1-13; }

# begin FOLDER SECONDS ARGUMENT...: npm start with the arguments; sets took (ms) when /versions answers
begin() {
  local folder=$1 seconds=$2 from
  shift 2
  port=$((20000 + RANDOM % 10000))
  from=$(now)
  : >"$public/log"
  (cd "$folder" && exec setsid "${AS[@]}" npm start -- --port $port "$@") >"$public/log" 2>&1 </dev/null &
  leader=$!
  until [ "$(curl -s -o "$public/versions" -w '%{http_code}' "http://127.0.0.1:$port/versions" || true)" = 200 ]; do
    [ -d "/proc/$leader" ] || fail 'npm start ended'
    [ $(($(now) - from)) -lt $((seconds * 1000)) ] || fail "no answer within $seconds s"
    sleep 0.1
  done
  took=$(($(now) - from))
  grep -q '"versions"' "$public/versions" || fail 'the version document looks odd'
}
# finish SIGNAL: as Ctrl-C (INT) or a service manager (TERM) does; everything has to end
finish() {
  kill "-$1" -- "-$leader"
  for _ in $(seq 300); do
    [ -n "$(in_session "$leader")" ] || [ -n "$(in_folders)" ] || break
    sleep 0.1
  done
  [ -z "$(in_session "$leader")$(in_folders)" ] || fail "left after $1: $(in_session "$leader") $(in_folders)"
  leader=
}
call() { curl -sS --fail-with-body "$@" || fail "curl $*"; }
put_image() { # prints the id of a new active image
  local id
  id=$(call -X POST -H 'content-type: application/json' "http://127.0.0.1:$port/v2/images" \
    -d '{"name":"fresh","disk_format":"raw","container_format":"bare"}' |
    sed 's/.*"id": *"\([0-9a-f-]*\)".*/\1/')
  head -c 3000000 /dev/zero | tr '\0' 'x' |
    call -T - -H 'content-type: application/octet-stream' "http://127.0.0.1:$port/v2/images/$id/file" >&2
  echo "$id"
}
check_image() {
  local size
  size=$(call "http://127.0.0.1:$port/v2/images/$1/file" | wc -c)
  [ "$size" = 3000000 ] || fail "image $1 has $size bytes"
}
twice() { # twice WHAT FOLDER [DATA]: first start, then a second one that has kept its data
  local what=$1 folder=$2 data=${3:-$2/tank-data} id first note
  shift 2
  [ $# = 0 ] || set -- --data-dir "$1"
  begin "$folder" 240 "$@"
  first=$took
  note=$(sed -n 's/.*"postgres": *"\([^"]*\)".*/\1/p' "$data/postgres.location" 2>/dev/null || true)
  [ -z "$note" ] || away+=("$(dirname "$note")")
  id=$(put_image)
  check_image "$id"
  finish INT
  begin "$folder" 60 "$@"
  check_image "$id"
  finish TERM
  echo "fresh-clone: $what: first start $first ms, second $took ms"
}

# an ordinary account installs and builds; what root starts then is a copy of that, in a folder of its own
mkdir "$public/home"
git clone -q "$ROOT" "$public/tank"
chown -R nobody "$public/home" "$public/tank"
AS=(setpriv "--reuid=nobody" "--regid=nogroup" --clear-groups -- env "HOME=$public/home" USER=nobody)
twice 'an ordinary account' "$public/tank"

AS=()
cp -a "$public/tank" "$work/tank"
rm -rf "$work/tank/tank-data"
chown -R root "$work/tank"
twice 'root, clone under /root' "$work/tank"

long=$public/$(printf 'a%.0s' $(seq 60))/
long=$long$(printf 'b%.0s' $(seq $((150 - ${#long}))))
[ ${#long} = 150 ] || fail "the path has ${#long} characters"
twice 'root, data directory of 150 characters' "$work/tank" "$long"
