#!/usr/bin/env bash
# A web server of its own for the tests: nginx, from Debian's package nginx-light, which serves a
# folder with sizes and ranges.
#
#   http.sh start|stop|status|env [DIR]     DIR: /tmp/tank-servers/http
#
# 127.0.0.1:18401 (HTTP_PORT). Tests put files into DIR/root; what is there outlives stop.
set -euo pipefail
NAME=http
DIR=${2:-/tmp/tank-servers/http}
PORT=${HTTP_PORT:-18401}
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

print_env() {
  echo "export TANK_TEST_HTTP_URL=http://127.0.0.1:$PORT"
  echo "export TANK_TEST_HTTP_ROOT=$DIR/root"
}
write_config() { # one process that runs as whoever started it, so it reads what the tests write
  cat >"$DIR/nginx.conf" <<END
$([ "$(id -u)" != 0 ] || echo 'user root;')
worker_processes 1;
daemon off;
pid $DIR/run/nginx-own.pid;
error_log $DIR/log/error.log;
events { worker_connections 256; }
http {
  access_log off;
  sendfile on;
  types { }
  default_type application/octet-stream;
  client_body_temp_path $DIR/tmp/body;
  proxy_temp_path $DIR/tmp/proxy;
  fastcgi_temp_path $DIR/tmp/fastcgi;
  uwsgi_temp_path $DIR/tmp/uwsgi;
  scgi_temp_path $DIR/tmp/scgi;
  server {
    listen 127.0.0.1:$PORT;
    root $DIR/root;
  }
}
END
}
start() {
  local nginx=/usr/sbin/nginx i
  [ -x $nginx ] || need_pkgs nginx-light
  mkdir -p "$DIR"/{log,run,tmp,root}
  DIR=$(cd "$DIR" && pwd)
  if alive nginx; then print_env; return 0; fi
  ! port_open "$PORT" || die "port $PORT is taken"
  write_config
  background nginx $nginx -p "$DIR" -c "$DIR/nginx.conf"
  for i in $(seq 100); do
    ! port_open "$PORT" || break
    alive nginx || { tail -5 "$DIR/log/nginx.log" >&2; die 'the server ended'; }
    [ "$i" -lt 100 ] || die 'the server is not ready'
    sleep 0.1
  done
  print_env
}
case ${1:-} in
  start) start ;;
  stop) finish nginx QUIT ;;
  status) status_of nginx ;;
  env) print_env ;;
  *) die "usage: $0 start|stop|status|env [DIR]" ;;
esac
