#!/usr/bin/env bash
# A real Keystone of its own for the tests: the Identity API v3 from Debian's packages, in uWSGI, with
# SQLite and Fernet tokens.
#
#   keystone.sh start|stop|status|env [DIR]     DIR: /tmp/tank-servers/keystone
#
# 127.0.0.1:18500 (KEYSTONE_PORT); tokens live an hour (KEYSTONE_TOKEN_SECONDS, read at start). Project one has the users member and reader with the roles of these
# names, project two the member other, project admin the administrator admin; tank of project service
# has the role service, so that it may ask about tokens. The password of NAME is NAMEpw. The state
# outlives stop; remove DIR for an empty one. KEYSTONE_FROM: the DIR of another one, whose state is copied.
set -euo pipefail
NAME=keystone
DIR=${2:-/tmp/tank-servers/keystone}
PORT=${KEYSTONE_PORT:-18500}
URL=http://127.0.0.1:$PORT/v3
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

print_env() {
  cat <<END
export TANK_TEST_KEYSTONE_URL=$URL
export TANK_TEST_KEYSTONE_USER=tank
export TANK_TEST_KEYSTONE_PASSWORD=tankpw
export TANK_TEST_KEYSTONE_PROJECT=service
export TANK_TEST_KEYSTONE_DIR=$DIR
END
}
packages() { # without a database and an administrator of the package's own
  if [ "$(id -u)" = 0 ] && ! [ -x /usr/bin/keystone-manage ]; then
    need_pkgs debconf
    printf 'keystone keystone/%s boolean false\n' configure_db create-admin-tenant \
      register-endpoint | debconf-set-selections
  fi
  need_pkgs keystone uwsgi-core uwsgi-plugin-python3 python3-keystoneclient python3-openstackclient curl \
    memcached python3-memcache
}
as_keystone() { # the programs refuse to run as root, or should
  if [ "$(id -u)" = 0 ]; then
    setpriv --reuid=keystone --regid=keystone --init-groups --reset-env "$@"
  else
    "$@"
  fi
}
write_config() {
  cat >"$DIR/keystone.conf" <<END
[DEFAULT]
use_stderr = true
default_log_levels = keystone=WARN,sqlalchemy=WARN,oslo_policy=WARN,dogpile=WARN,stevedore=WARN
public_endpoint = http://127.0.0.1:$PORT
[database]
connection = sqlite:///$DIR/data/keystone.sqlite?timeout=30
[fernet_tokens]
key_repository = $DIR/data/fernet
[credential]
key_repository = $DIR/data/credential
[token]
provider = fernet
expiration = ${KEYSTONE_TOKEN_SECONDS:-3600}
[identity]
password_hash_algorithm = bcrypt
password_hash_rounds = 4
[cache]
enabled = true
backend = dogpile.cache.memcached
memcache_servers = unix:$DIR/run/memcached
END
}
manage() { as_keystone keystone-manage --config-file "$DIR/keystone.conf" "$@" >>"$DIR/log/manage.log" 2>&1; }
# with a rollback journal two processes meet "database is locked"
use_wal() {
  as_keystone /usr/bin/python3 -c \
    "import sqlite3; sqlite3.connect('$DIR/data/keystone.sqlite').execute('pragma journal_mode=WAL')"
}
copy_state() { # while the other one runs
  local from=${KEYSTONE_FROM:-}
  [ -e "$from/populated" ] || return 1
  cp -r "$from/data/fernet" "$from/data/credential" "$DIR/data/"
  /usr/bin/python3 - "$from/data/keystone.sqlite" "$DIR/data/keystone.sqlite" <<'END'
import sqlite3
import sys

sqlite3.connect(sys.argv[1]).backup(sqlite3.connect(sys.argv[2]))
END
  [ "$(id -u)" != 0 ] || chown -R keystone:keystone "$DIR/data"
  chmod 700 "$DIR/data"
  use_wal
  touch "$DIR/bootstrapped" "$DIR/populated"
}
bootstrap() {
  local account=() owner
  owner=$(id -un)
  [ "$(id -u)" != 0 ] || owner=keystone
  account=(--keystone-user "$owner" --keystone-group "$owner")
  [ "$(id -u)" != 0 ] || chown -R keystone:keystone "$DIR/data"
  chmod 700 "$DIR/data"
  manage db_sync && manage fernet_setup "${account[@]}" && manage credential_setup "${account[@]}" &&
    manage bootstrap --bootstrap-username admin --bootstrap-password adminpw \
      --bootstrap-project-name admin --bootstrap-role-name admin --bootstrap-service-name keystone \
      --bootstrap-region-id RegionOne --bootstrap-public-url "$URL" &&
    use_wal || { tail -20 "$DIR/log/manage.log" >&2; die 'no database'; }
  touch "$DIR/bootstrapped"
}
populate() {
  /usr/bin/python3 - "$URL" <<'END'
import sys

from keystoneauth1 import session
from keystoneauth1.identity import v3
from keystoneclient.v3 import client

admin = v3.Password(sys.argv[1], username='admin', password='adminpw', project_name='admin',
                    user_domain_name='Default', project_domain_name='Default')
keystone = client.Client(session=session.Session(auth=admin), endpoint_override=sys.argv[1])


def named(manager, name, **more):
    return next((each for each in manager.list() if each.name == name), None) or manager.create(name, **more)


people = [('member', 'one', 'member'), ('reader', 'one', 'reader'), ('other', 'two', 'member'),
          ('tank', 'service', 'service')]
for user, project, role in people:
    project = named(keystone.projects, project, domain='default')
    user = named(keystone.users, user, domain='default', password=f'{user}pw')
    keystone.roles.grant(named(keystone.roles, role), user=user, project=project)
END
  touch "$DIR/populated"
}
# what the processes have read of the database and made of tokens, as any cloud keeps it
cache() {
  local run=(memcached -s "$DIR/run/memcached" -a 0600 -m 32)
  [ "$(id -u)" != 0 ] || {
    chown keystone:keystone "$DIR/run"
    run+=(-u keystone)
  }
  background memcached "${run[@]}"
}
# Each answer ends its connection, as uWSGI's own HTTP does without saying so. No threads: connections
# to SQLite do not go from one to another.
serve() {
  local run=(env "OS_KEYSTONE_CONFIG_FILES=$DIR/keystone.conf" /usr/bin/uwsgi --plugins python3
    --master --http-socket "127.0.0.1:$PORT" --wsgi-file /usr/bin/keystone-wsgi-public --processes "${KEYSTONE_PROCESSES:-3}"
    --lazy-apps --need-app --buffer-size 16384 --die-on-term
    --disable-logging --add-header 'Connection: close' --pyargv "--config-file $DIR/keystone.conf")
  [ "$(id -u)" != 0 ] ||
    run=(setpriv --reuid=keystone --regid=keystone --init-groups --reset-env "${run[@]}")
  background keystone "${run[@]}"
}
answers() { curl -fsS -o /dev/null --max-time 3 "$URL" 2>/dev/null; }
start() {
  packages
  mkdir -p "$DIR"/{log,run,data}
  DIR=$(cd "$DIR" && pwd)
  if alive keystone && answers; then print_env; return 0; fi
  stop
  ! port_open "$PORT" || die "port $PORT is taken"
  write_config
  [ -e "$DIR/bootstrapped" ] || copy_state || bootstrap
  cache
  serve
  local i
  for i in $(seq 240); do
    ! answers || break
    alive keystone || { tail -20 "$DIR/log/keystone.log" >&2; die 'the server ended'; }
    [ "$i" -lt 240 ] || { tail -20 "$DIR/log/keystone.log" >&2; die 'the server is not ready'; }
    sleep 0.25
  done
  [ -e "$DIR/populated" ] || populate >&2 || die 'the users could not be made'
  print_env
}
stop() {
  finish keystone
  finish memcached
}
case ${1:-} in
  start) start ;;
  stop) stop ;;
  status) status_of keystone ;;
  env) print_env ;;
  *) die "usage: $0 start|stop|status|env [DIR]" ;;
esac
