# shellcheck shell=bash
# What the scripts of this folder share: messages, Debian packages, processes with pid files.
# A script sets NAME and DIR, then sources this file.

say() { printf '%s\n' "$*" >&2; }
die() { say "$NAME: $*"; exit 1; }

# need_pkgs PKG...: install the Debian packages that are missing, without starting their services.
need_pkgs() {
  local missing=() p
  for p in "$@"; do
    dpkg-query -W -f='${db:Status-Abbrev}' "$p" 2>/dev/null | grep -q '^ii' || missing+=("$p")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || die "as root: apt-get install --no-install-recommends ${missing[*]}"
  say "$NAME: installing ${missing[*]}"
  local guard= rc=0 log
  log=$(mktemp)
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    guard=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' >"$guard"
    chmod 755 "$guard"
  fi
  local apt=(apt-get -qq -y -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3)
  # the package lists may be absent or old, so a failed installation is tried once more after an update
  DEBIAN_FRONTEND=noninteractive "${apt[@]}" --no-install-recommends install "${missing[@]}" \
    >"$log" 2>&1 </dev/null || {
    "${apt[@]}" update >>"$log" 2>&1 </dev/null || true
    DEBIAN_FRONTEND=noninteractive "${apt[@]}" --no-install-recommends install "${missing[@]}" \
      >>"$log" 2>&1 </dev/null || rc=$?
  }
  [ -z "$guard" ] || rm -f "$guard"
  if [ $rc != 0 ]; then
    tail -20 "$log" >&2
    die "could not install ${missing[*]}"
  fi
  rm -f "$log"
}

# A pid file holds "PID STARTTIME" (field 22 of /proc/PID/stat): a recycled pid is never taken for ours.
start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
alive() { # alive NAME
  local pid started
  [ -e "$DIR/run/$1.pid" ] && read -r pid started <"$DIR/run/$1.pid" || return 1
  [ -n "$pid" ] && [ "$(start_time "$pid")" = "$started" ] &&
    [ "$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -c1)" != Z ]
}
pid_of() { cut -d' ' -f1 "$DIR/run/$1.pid"; }
background() { # background NAME COMMAND...: in a session of its own
  local name=$1 pid
  shift
  setsid "$@" </dev/null >>"$DIR/log/$name.log" 2>&1 &
  pid=$!
  printf '%s %s\n' "$pid" "$(start_time $pid)" >"$DIR/run/$name.pid"
}
session() { # session SID: what is left of a session that background made
  cat /proc/[0-9]*/stat 2>/dev/null | sed 's/^\([0-9]*\) .*) /\1 /' |
    awk -v s="$1" '$5 == s && $2 != "Z" {print $1}' || true
}
finish() { # finish NAME [SIGNAL]: SIGNAL, 20 s of patience, then KILL for the whole session
  local pid started child _
  [ -e "$DIR/run/$1.pid" ] || return 0
  read -r pid started <"$DIR/run/$1.pid" || true
  if alive "$1"; then
    kill "-${2:-TERM}" "$pid" 2>/dev/null || true
    for _ in $(seq 200); do alive "$1" || break; sleep 0.1; done
  fi
  if [ -n "$pid" ] && { [ ! -e "/proc/$pid" ] || [ "$(start_time "$pid")" = "$started" ]; }; then
    for child in $(session "$pid"); do kill -KILL "$child" 2>/dev/null || true; done
  fi
  rm -f "$DIR/run/$1.pid"
}
status_of() { # status_of NAME: exit code 0 or 3
  if alive "$1"; then say "$1: running (pid $(pid_of "$1"))"; else say "$1: not running"; return 3; fi
}
port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
