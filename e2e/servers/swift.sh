#!/usr/bin/env bash
# A real object store of its own for the tests: OpenStack Swift from Debian's packages, all in one.
# One replica, one directory as the only device, tempauth (v1 authentication), and what an operator
# usually has on: large objects, copies, signed URLs, quotas, versions, symbolic links, bulk.
#
#   swift.sh start|stop|status|env|crash [DIR]     DIR: /tmp/tank-servers/swift
#
# 127.0.0.1 only: SWIFT_PORT (18080) the proxy, the port after it a second proxy with narrow limits
# (objects of SWIFT_MAX_FILE_SIZE bytes, 2000000; manifests of 4 segments), SWIFT_BASE (16200) and the
# next two the object, container and account servers, SWIFT_BASE + 11 memcached. Users: test:tester
# (key testing, owns the account), test:tester3 (testing3, may nothing), test2:tester2 (testing2). The
# state outlives stop and crash (SIGKILL to all of it); remove DIR for an empty one.
set -euo pipefail
NAME=swift
DIR=${2:-/tmp/tank-servers/swift}
PORT=${SWIFT_PORT:-18080}
SMALL_PORT=$((PORT + 1))
BASE=${SWIFT_BASE:-16200}
MEMCACHED=$((BASE + 11))
MAX_FILE_SIZE=${SWIFT_MAX_FILE_SIZE:-2000000}
SERVERS=(object container account)
PROCESSES=(memcached account container object object-updater proxy small)
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

print_env() {
  cat <<END
export TANK_TEST_SWIFT_AUTH_URL=http://127.0.0.1:$PORT/auth/v1.0
export TANK_TEST_SWIFT_USER=test:tester
export TANK_TEST_SWIFT_KEY=testing
export TANK_TEST_SWIFT_SMALL_AUTH_URL=http://127.0.0.1:$SMALL_PORT/auth/v1.0
export TANK_TEST_SWIFT_SMALL_USER=test:tester
export TANK_TEST_SWIFT_SMALL_KEY=testing
export TANK_TEST_SWIFT_MAX_FILE_SIZE=$MAX_FILE_SIZE
END
}
port_of() { # port_of object|container|account
  case $1 in object) echo "$BASE" ;; container) echo $((BASE + 1)) ;; account) echo $((BASE + 2)) ;; esac
}
write_main() { # write_main DIR BYTES: what Swift has in /etc/swift/swift.conf
  mkdir -p "$1"
  cat >"$1/swift.conf" <<END
[swift-hash]
swift_hash_path_prefix = tank
swift_hash_path_suffix = $(cat "$DIR/etc/suffix")
[storage-policy:0]
name = one
default = yes
[swift-constraints]
max_file_size = $2
END
}
write_server() { # write_server object|container|account
  cat >"$DIR/etc/$1-server.conf" <<END
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $(port_of "$1")
workers = $([ "$1" = object ] && echo 2 || echo 0)
user = $(id -un)
swift_dir = $DIR/etc
devices = $DIR/devices
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
log_level = WARNING
log_address = $DIR/run/no-syslog
[pipeline:main]
pipeline = healthcheck $1-server
[app:$1-server]
use = egg:swift#$1
[filter:healthcheck]
use = egg:swift#healthcheck
[$1-updater]
interval = 5
concurrency = 1
recon_cache_path = $DIR/cache
END
}
write_proxy() { # write_proxy DIR PORT WORKERS SEGMENTS; no WORKERS: the first process serves
  local filters=(catch_errors gatekeeper healthcheck proxy_logging cache listing_formats bulk tempurl
    tempauth copy container_quotas account_quotas slo dlo versioned_writes symlink) filter
  cat >"$1/proxy-server.conf" <<END
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $2
workers = $3
user = $(id -un)
swift_dir = $DIR/etc
log_level = WARNING
log_address = $DIR/run/no-syslog
expose_info = true
[pipeline:main]
pipeline = ${filters[*]} proxy_logging proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
END
  for filter in "${filters[@]}"; do
    printf '[filter:%s]\nuse = egg:swift#%s\n' "$filter" "${filter/#cache/memcache}"
    case $filter in
      cache) echo "memcache_servers = 127.0.0.1:$MEMCACHED" ;;
      slo) echo "max_manifest_segments = $4" ;;
      versioned_writes) echo 'allow_versioned_writes = true' ;;
      tempauth)
        echo 'user_test_tester = testing .admin'
        echo 'user_test_tester3 = testing3'
        echo 'user_test2_tester2 = testing2 .admin'
        echo 'storage_url_scheme = http'
        ;;
    esac
  done >>"$1/proxy-server.conf"
}
# The place of swift.conf is a constant in Swift; this runs a program of Swift with ours.
write_runner() {
  cat >"$DIR/etc/run.py" <<'END'
import runpy
import sys

from swift.common import utils

utils.SWIFT_CONF_FILE = sys.argv[1]
utils.HASH_PATH_PREFIX = utils.HASH_PATH_SUFFIX = b''
utils.validate_hash_conf()

from swift.common import constraints, storage_policy

constraints.reload_constraints()
storage_policy.reload_storage_policies()
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name='__main__')
END
}
make_ring() { # make_ring object|container|account: where the objects of that kind are
  local port
  port=$(port_of "$1")
  [ "$(cat "$DIR/etc/$1.port" 2>/dev/null)" != "$port" ] || return 0
  cd "$DIR/etc"
  rm -f "$1.builder" "$1.ring.gz"
  swift-ring-builder "$1.builder" create 4 1 0
  swift-ring-builder "$1.builder" add --region 1 --zone 1 --ip 127.0.0.1 --port "$port" --device d1 --weight 1
  # code 1 is only a warning: nothing was there to move
  swift-ring-builder "$1.builder" rebalance || [ $? = 1 ]
  echo "$port" >"$DIR/etc/$1.port"
}
configure() {
  local server
  mkdir -p "$DIR"/{etc,small,devices/d1,log,run,cache}
  [ -s "$DIR/etc/suffix" ] || od -An -N8 -tx1 /dev/urandom | tr -d ' \n' >"$DIR/etc/suffix"
  write_main "$DIR/etc" 5368709122
  write_main "$DIR/small" "$MAX_FILE_SIZE"
  write_runner
  for server in "${SERVERS[@]}"; do
    write_server "$server"
    (make_ring "$server") >>"$DIR/log/rings.log" 2>&1 || die "no ring: see $DIR/log/rings.log"
  done
  write_proxy "$DIR/etc" "$PORT" 2 1000
  write_proxy "$DIR/small" "$SMALL_PORT" 0 4
}
run() { # run NAME PROGRAM CONFIG [SWIFT_CONF_DIR]
  background "$1" /usr/bin/python3 "$DIR/etc/run.py" "${4:-$DIR/etc}/swift.conf" "/usr/bin/swift-$2" "$3" -v
}
wait_port() { # wait_port PORT NAME
  local _
  for _ in $(seq 300); do
    ! port_open "$1" || return 0
    alive "$2" || break
    sleep 0.1
  done
  tail -20 "$DIR/log/$2.log" >&2 || true
  die "$2 does not listen on port $1"
}
answers() { # answers PORT: the user gets a token, and an account behind it
  local url="http://127.0.0.1:$1" token
  token=$(curl -fsSi --max-time 10 -H 'X-Auth-User: test:tester' -H 'X-Auth-Key: testing' \
    "$url/auth/v1.0" | tr -d '\r' | sed -n 's/^X-Auth-Token: //p')
  curl -fsS --max-time 10 -o /dev/null -H "X-Auth-Token: $token" "$url/v1/AUTH_test"
}
start() {
  need_pkgs swift-proxy swift-account swift-container swift-object python3-swift memcached curl
  mkdir -p "$DIR"
  DIR=$(cd "$DIR" && pwd)
  if status 2>/dev/null; then print_env; return 0; fi
  stop
  local port server account=() _
  for port in "$PORT" $SMALL_PORT "$BASE" $((BASE + 1)) $((BASE + 2)) $MEMCACHED; do
    ! port_open "$port" || die "port $port is taken"
  done
  configure
  [ "$(id -u)" != 0 ] || account=(-u nobody)
  background memcached memcached -l 127.0.0.1 -p $MEMCACHED -U 0 -m 16 "${account[@]}"
  wait_port $MEMCACHED memcached
  for server in "${SERVERS[@]}"; do run "$server" "$server-server" "$DIR/etc/$server-server.conf"; done
  for server in "${SERVERS[@]}"; do wait_port "$(port_of "$server")" "$server"; done
  # the listing of a container follows late where its server was too busy: this brings it up to date.
  # That of the account matters to no test, and its updater keeps both cores busy with many containers
  run object-updater object-updater "$DIR/etc/object-server.conf"
  run proxy proxy-server "$DIR/etc/proxy-server.conf"
  run small proxy-server "$DIR/small/proxy-server.conf" "$DIR/small"
  wait_port "$PORT" proxy
  wait_port $SMALL_PORT small
  for _ in $(seq 100); do
    if answers "$PORT" 2>/dev/null && answers $SMALL_PORT 2>/dev/null; then print_env; return 0; fi
    sleep 0.2
  done
  die "no answer: see $DIR/log"
}
backwards() { printf '%s\n' "${PROCESSES[@]}" | tac; }
stop() {
  local name
  for name in $(backwards); do finish "$name"; done
}
crash() {
  local name
  alive proxy || die 'not running'
  for name in $(backwards); do finish "$name" KILL; done
}
status() {
  local name rc=0
  for name in "${PROCESSES[@]}"; do status_of "$name" || rc=3; done
  return $rc
}
case ${1:-} in
  start) start ;;
  stop) stop ;;
  status) status ;;
  crash) crash ;;
  env) print_env ;;
  *) die "usage: $0 start|stop|status|env|crash [DIR]" ;;
esac
