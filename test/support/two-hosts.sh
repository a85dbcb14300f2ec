#!/usr/bin/env bash
# Two hosts, h1 and h2, of this one machine, and a switch that each has a cable to: network namespaces with a host name.
#
#   two-hosts.sh run COMMAND…    makes them, and runs the command on h1
#   two-hosts.sh h2 COMMAND…     inside, as `rsh h2 COMMAND…`: what launchers reach a host by
#   two-hosts.sh cut             inside: cuts the cable of h2, for good
#
# They are seen inside alone, and end when nothing runs on them any more, or when this script is killed, with all that does.
# It needs iproute2, and root, or a kernel that lets everybody have namespaces.
set -euo pipefail

readonly self=$(realpath "${BASH_SOURCE[0]}") hosts=(h1 h2)

main() {
  case "${1-}" in
    run) set_apart "${@:2}" ;;
    inside) make_hosts && use "${@:2}" ;;
    h1 | h2) on "$1" sh -c "${*:2}" ;;
    cut) ip -n switch link set h2 down ;;
    *) echo 'usage: two-hosts.sh run COMMAND… | h1|h2 COMMAND… | cut' >&2 && exit 2 ;;
  esac
}

# Processes too: when the first of them ends, the kernel ends the others.
set_apart() {
  local as_root=()
  ((EUID == 0)) || as_root=(--map-root-user)
  exec unshare "${as_root[@]}" --net --mount --ipc --pid --fork --kill-child --mount-proc "$self" inside "$@"
}

make_hosts() {
  local host number=0
  mount -t tmpfs hosts /run
  ip netns add switch
  ip -n switch link add bridge type bridge
  ip -n switch link set bridge up
  printf '127.0.0.1 localhost\n' >/run/names
  for host in "${hosts[@]}"; do
    number=$((number + 1))
    ip netns add "$host"
    ip -n switch link add "$host" type veth peer name eth0 netns "$host"
    ip -n switch link set "$host" master bridge up
    ip -n "$host" address add "10.0.0.$number/24" dev eth0
    ip -n "$host" link set eth0 up
    ip -n "$host" link set lo up
    echo "10.0.0.$number $host" >>/run/names
  done
  mount --bind /run/names /etc/hosts
}

# What it has left behind on either host is waited for.
use() {
  local status=0
  on h1 "$@" || status=$?
  echo "two-hosts.sh: the command has ended with $status"
  while [[ -n $(ip netns pids h1)$(ip netns pids h2) ]]; do sleep 0.1; done
  return "$status"
}

# on <host> <command…>
on() { ip netns exec "$1" unshare --uts --ipc sh -c 'hostname "$0" && exec "$@"' "$@"; }

main "$@"
