#!/usr/bin/env bash
# A real S3 server of its own for the tests: Ceph's monitor, one OSD on a sparse file and the RADOS
# Gateway, from Debian's packages. The gateway speaks the Swift API too, with v1 authentication.
#
#   s3.sh start|stop|status|env|crash [DIR]     DIR: /tmp/tank-servers/s3
#
# 127.0.0.1 only: S3_PORT (18090) the gateway, 13300 and 16789 the monitor, 16800-16899 the OSD.
# S3_SIZE_GIB (40) is the size of the sparse file. The state outlives stop and crash (SIGKILL to
# all of it); remove DIR for an empty one.
set -euo pipefail
NAME=s3
DIR=${2:-/tmp/tank-servers/s3}
PORT=${S3_PORT:-18090}
SIZE_GIB=${S3_SIZE_GIB:-40}
MONITOR=13300
MONITOR_V1=16789
BUCKET=tank-test
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

print_env() {
  cat <<END
export TANK_TEST_S3_ENDPOINT=http://127.0.0.1:$PORT
export TANK_TEST_S3_REGION=us-east-1
export TANK_TEST_S3_BUCKET=$BUCKET
export TANK_TEST_S3_ACCESS_KEY=tankaccess
export TANK_TEST_S3_SECRET_KEY=tanksecret
export TANK_TEST_S3_OTHER_ACCESS_KEY=otheraccess
export TANK_TEST_S3_OTHER_SECRET_KEY=othersecret
export TANK_TEST_RGW_SWIFT_AUTH_URL=http://127.0.0.1:$PORT/auth/v1.0
export TANK_TEST_RGW_SWIFT_USER=tank:swift
export TANK_TEST_RGW_SWIFT_KEY=tankswift
END
}
# cephx stays on: without it the gateway hangs for seconds at every connection. No manager runs,
# since the gateway needs none and it is the largest of the daemons.
write_config() {
  cat >"$DIR/ceph.conf" <<END
[global]
fsid = $(cat "$DIR/fsid")
mon_host = [v2:127.0.0.1:$MONITOR/0,v1:127.0.0.1:$MONITOR_V1/0]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_port_min = 16800
ms_bind_port_max = 16899
auth_allow_insecure_global_id_reclaim = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_max_pg_per_osd = 1000
mon_data_avail_crit = 1
mon_data_avail_warn = 2
run_dir = $DIR/run
admin_socket = $DIR/run/\$name.asok
log_file = $DIR/log/\$name.log
log_to_stderr = false
keyring = $DIR/keyring
crash_dir = $DIR/run
debug_ms = 0
[mon]
mon_data = $DIR/mon
mon_allow_pool_delete = true
[osd]
osd_data = $DIR/osd
osd_objectstore = bluestore
bluestore_block_size = $((SIZE_GIB * 1024 * 1024 * 1024))
osd_memory_target = 939524096
osd_numa_auto_affinity = false
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:$PORT
rgw_data = $DIR/rgw
rgw_thread_pool_size = 64
rgw_gc_obj_min_wait = 30
rgw_gc_processor_period = 30
rgw_enable_usage_log = false
END
}
# setup WHAT COMMAND...: its output goes to a log, which the message of a failure names
setup() {
  local what=$1
  shift
  # in the background, since `set -e` means nothing to a function on the left of `||`
  "$@" >>"$DIR/log/setup.log" 2>&1 </dev/null &
  wait $! || die "$what failed: see $DIR/log/setup.log"
}
ceph_do() { timeout 60 ceph -c "$DIR/ceph.conf" "$@"; }
admin() { timeout 60 radosgw-admin -c "$DIR/ceph.conf" "$@"; }
wait_port() { # wait_port PORT NAME SECONDS
  local _
  for _ in $(seq $(($3 * 10))); do
    ! port_open "$1" || return 0
    alive "$2" || break
    sleep 0.1
  done
  tail -20 "$DIR/log/$2.log" >&2 || true
  die "$2 does not listen on port $1"
}
make_monitor() {
  local entity
  ceph-authtool --create-keyring "$DIR/keyring" --gen-key -n mon. --cap mon 'allow *'
  for entity in client.admin client.rgw osd.0; do
    ceph-authtool "$DIR/keyring" --gen-key -n "$entity" --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
  done
  monmaptool --create --clobber --fsid "$(cat "$DIR/fsid")" \
    --addv a "[v2:127.0.0.1:$MONITOR,v1:127.0.0.1:$MONITOR_V1]" "$DIR/monmap"
  ceph-mon -c "$DIR/ceph.conf" -i a --mkfs --monmap "$DIR/monmap" --keyring "$DIR/keyring"
}
make_osd() {
  local uuid
  uuid=$(cat /proc/sys/kernel/random/uuid)
  ceph_do osd new "$uuid"
  ceph-osd -c "$DIR/ceph.conf" -i 0 --mkfs --osd-uuid "$uuid"
  ceph_do osd crush add osd.0 1.0 root=default host=tank
}
make_pools() { # ahead of time, so that the first request of a test is no slower than the next
  local pool
  for pool in .rgw.root default.rgw.{log,control,meta} default.rgw.buckets.{index,data,non-ec}; do
    ceph_do osd pool create "$pool" 4
    ceph_do osd pool application enable "$pool" rgw
  done
}
make_users() {
  local user
  for user in tank other; do
    admin user create --uid="$user" --display-name="$user" --access-key="${user}access" \
      --secret-key="${user}secret" --max-buckets=0
  done
  admin subuser create --uid=tank --subuser=tank:swift --access=full --secret=tankswift --key-type=swift
}
make_bucket() { # Debian's curl signs the digest of the body (an empty one), but does not send it
  curl -fsS --max-time 60 -X PUT --aws-sigv4 aws:amz:us-east-1:s3 --user tankaccess:tanksecret \
    -H "x-amz-content-sha256: $(printf '' | sha256sum | cut -d' ' -f1)" "http://127.0.0.1:$PORT/$BUCKET"
}
start() {
  need_pkgs ceph-mon ceph-osd ceph-common radosgw curl
  mkdir -p "$DIR"
  DIR=$(cd "$DIR" && pwd)
  if status 2>/dev/null; then print_env; return 0; fi
  stop
  [ ${#DIR} -le 70 ] || die "the path of DIR is too long for a Unix socket below it: $DIR"
  local port
  for port in "$PORT" $MONITOR $MONITOR_V1; do ! port_open "$port" || die "port $port is taken"; done
  # one that was never finished is made anew
  [ -e "$DIR/ready" ] || rm -rf "$DIR"/{mon,osd,rgw,log,run,keyring,monmap,fsid}
  mkdir -p "$DIR"/{mon,osd,rgw,log,run}
  [ -s "$DIR/fsid" ] || cat /proc/sys/kernel/random/uuid >"$DIR/fsid"
  write_config
  [ -e "$DIR/ready" ] || setup 'making the monitor' make_monitor
  background mon ceph-mon -c "$DIR/ceph.conf" -i a -f
  wait_port $MONITOR mon 30
  [ -e "$DIR/ready" ] || setup 'making the OSD' make_osd
  background osd ceph-osd -c "$DIR/ceph.conf" -i 0 -f
  [ -e "$DIR/ready" ] || setup 'making the pools' make_pools
  background rgw radosgw -c "$DIR/ceph.conf" -n client.rgw -f
  wait_port "$PORT" rgw 120
  if [ ! -e "$DIR/ready" ]; then
    setup 'making the users' make_users
    setup 'making the bucket' make_bucket
    touch "$DIR/ready"
  fi
  print_env
}
stop() {
  finish rgw
  finish osd
  finish mon
  rm -f "$DIR"/run/*.asok
}
crash() {
  local name
  alive rgw || die 'not running'
  for name in rgw osd mon; do finish "$name" KILL; done
}
status() {
  local name rc=0
  for name in mon osd rgw; do status_of "$name" || rc=3; done
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
