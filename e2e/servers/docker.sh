#!/usr/bin/env bash
# A Docker engine for the tests: Debian's docker.io and docker-compose, started by hand as root.
#
#   docker.sh start|stop|status|env [DIR]     DIR: /tmp/tank-servers/docker
#
# Socket, images and containers lie in DIR; published ports bind to loopback unless told otherwise.
# `env` puts Debian's client first on PATH and answers `docker compose` by docker-compose. Base
# images come from base-images.sh: the engine pulls nothing. `stop` also takes away what the engine
# left in the kernel: its bridges, its packet filter rules, the forwarding switch.
set -euo pipefail
NAME=docker
DIR=${2:-/tmp/tank-servers/docker}
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

print_env() {
  cat <<EOF
export DOCKER_HOST=unix://$DIR/docker.sock
export DOCKER_CONFIG=$DIR/config
export DOCKER_BUILDKIT=1
export COMPOSE_DOCKER_CLI_BUILD=1
export PATH=$DIR/bin:\$PATH
export TANK_TEST_DOCKER=1
EOF
}
client() { DOCKER_HOST=unix://$DIR/docker.sock timeout 60 /usr/bin/docker "$@"; }
clear_kernel() {
  [ -e "$DIR/run/before" ] || return 0
  local forward policy table
  read -r forward policy <"$DIR/run/before" || true
  ip link del docker0 2>/dev/null || true
  for table in filter nat; do
    iptables-save -t $table 2>/dev/null | grep -vE 'DOCKER|docker0|-[oi] br-|10\.21[12]\.' |
      iptables-restore -T $table 2>/dev/null || true
  done
  iptables -P FORWARD "${policy:-ACCEPT}" 2>/dev/null || true
  echo "${forward:-0}" >/proc/sys/net/ipv4/ip_forward 2>/dev/null || true
  rm -f "$DIR/run/before"
}
stop() {
  local containers=
  if alive dockerd; then
    containers=$(client ps -q 2>/dev/null || true)
    # shellcheck disable=SC2086
    [ -z "$containers" ] || client stop -t 5 $containers >/dev/null 2>&1 || true
  fi
  finish dockerd
  clear_kernel
}
start() {
  [ "$(id -u)" = 0 ] || die 'needs root'
  need_pkgs docker.io docker-compose iptables iproute2 procps
  mkdir -p "$DIR"/{log,run,bin,config/cli-plugins}
  DIR=$(cd "$DIR" && pwd)
  cat >"$DIR/config/cli-plugins/docker-compose" <<'EOF'
#!/bin/sh
if [ "$1" = docker-cli-plugin-metadata ]; then
  echo '{"SchemaVersion":"0.1.0","Vendor":"Debian","Version":"v1.29.2","ShortDescription":"docker-compose"}'
  exit 0
fi
[ "$1" != compose ] || shift
exec /usr/bin/docker-compose "$@"
EOF
  chmod 755 "$DIR/config/cli-plugins/docker-compose"
  ln -sf /usr/bin/docker "$DIR/bin/docker"
  ln -sf /usr/bin/docker-compose "$DIR/bin/docker-compose"
  if ! alive dockerd; then
    stop
    rm -f "$DIR/docker.sock" "$DIR/run/docker.pid"
    echo "$(cat /proc/sys/net/ipv4/ip_forward)" \
      "$(iptables -S FORWARD 2>/dev/null | sed -n 's/^-P FORWARD //p')" >"$DIR/run/before"
    background dockerd dockerd --data-root "$DIR/root" --exec-root "$DIR/run/exec" \
      --pidfile "$DIR/run/docker.pid" -H "unix://$DIR/docker.sock" --ip 127.0.0.1 \
      --bip 10.211.0.1/24 --default-address-pool base=10.212.0.0/16,size=24 \
      --shutdown-timeout 10 --log-level warn
    local i
    for i in $(seq 300); do
      ! client version >/dev/null 2>&1 || break
      alive dockerd || { tail -5 "$DIR/log/dockerd.log" >&2; die 'dockerd ended'; }
      [ "$i" -lt 300 ] || die 'dockerd does not answer'
      sleep 0.1
    done
  fi
  print_env
}
case ${1:-} in
  start) start ;;
  stop) stop ;;
  status) status_of dockerd ;;
  env) print_env ;;
  *) die "usage: $0 start|stop|status|env [DIR]" ;;
esac
