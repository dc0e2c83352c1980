#!/usr/bin/env bash
# Tempest, the test-suite that clouds are certified with, from Debian's package python3-tempest.
# Nothing runs: start installs it, stop does nothing.
#
#   tempest.sh start|stop|status|env
set -euo pipefail
NAME=tempest
DIR=${2:-/tmp/tank-servers/tempest}
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

SUITE=/usr/lib/python3/dist-packages/tempest

status() {
  if [ -d "$SUITE/api/image" ]; then say 'tempest: installed'; else say 'tempest: not installed'; return 3; fi
}
print_env() { echo "export TANK_TEST_TEMPEST=$SUITE"; }
case ${1:-} in
  start) need_pkgs python3-tempest; print_env ;;
  stop) ;;
  status) status ;;
  env) print_env ;;
  *) die "usage: $0 start|stop|status|env" ;;
esac
