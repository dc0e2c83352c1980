#!/usr/bin/env bash
# The openstack command line, from Debian's package python3-openstackclient. Nothing runs: start
# installs it, stop does nothing.
#
#   openstack.sh start|stop|status|env
set -euo pipefail
NAME=openstack
DIR=${2:-/tmp/tank-servers/openstack}
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

status() {
  if [ -x /usr/bin/openstack ]; then say 'openstack: installed'; else say 'openstack: not installed'; return 3; fi
}
print_env() { echo 'export TANK_TEST_OPENSTACK=/usr/bin/openstack'; }
case ${1:-} in
  start) need_pkgs python3-openstackclient python3-glanceclient; print_env ;;
  stop) ;;
  status) status ;;
  env) print_env ;;
  *) die "usage: $0 start|stop|status|env" ;;
esac
