#!/bin/bash
# up.sh DIR PREFIX VENV REPOSITORY: two hosts and a laptop on one machine, for `ray up` as root.
#
#   PREFIX-laptop   10.77.0.254   a bridge to the hosts; no sshd
#   PREFIX-h1, -h2  10.77.0.1,2   one sshd each; the key is DIR/id
#
# Each has an own network, PID, mount and host-name namespace, so that `ray stop` in it ends its own processes only.
# DIR/NAME/pid is the first process of the machine NAME. down.sh ends everything.
set -euo pipefail
dir=$(realpath "$1") prefix=$2 venv=$(realpath "$3") repository=$(realpath "$4")
here=$(dirname "$(realpath "$0")")
mkdir -p /tmp/ray /run/sshd
ssh-keygen -q -t ed25519 -N '' -f "$dir/id"
ssh-keygen -q -t ed25519 -N '' -f "$dir/hostkey"
echo "$prefix" >"$dir/prefix"

for name in laptop h1 h2; do
  ip netns add "$prefix-$name"
  ip -n "$prefix-$name" link set lo up
done
ip -n "$prefix-laptop" link add bridge type bridge
ip -n "$prefix-laptop" addr add 10.77.0.254/24 dev bridge
ip -n "$prefix-laptop" link set bridge up
for i in 1 2; do
  ip -n "$prefix-laptop" link add "to-h$i" type veth peer name eth0 netns "$prefix-h$i"
  ip -n "$prefix-laptop" link set "to-h$i" master bridge up
  ip -n "$prefix-h$i" addr add "10.77.0.$i/24" dev eth0
  ip -n "$prefix-h$i" link set eth0 up
  ip -n "$prefix-h$i" route add default via 10.77.0.254 # Ray finds its own address by it; nothing is forwarded
done

for name in laptop h1 h2; do
  folder=$dir/$name
  mkdir -p "$folder/ray" "$folder/home"
  : >"$folder/home/.bashrc"
  echo '. ~/.bashrc' >"$folder/home/.bash_profile"
  cat >"$folder/sshd_config" <<CONF
Port 22
ListenAddress 10.77.0.${name#h}
HostKey $dir/hostkey
PidFile none
AuthorizedKeysFile $dir/id.pub
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
SetEnv HOME=$folder/home PATH=$venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PYTHONPATH=$repository PYTHONWARNINGS=ignore OMP_NUM_THREADS=1 RAY_USAGE_STATS_ENABLED=0
CONF
  role=sshd
  [[ $name != laptop ]] || role=
  ip netns exec "$prefix-$name" unshare --pid --fork --mount --uts --mount-proc --kill-child \
    bash "$here/host.sh" "$folder" "$role" >"$folder/log" 2>&1 </dev/null &
  echo $! >"$folder/unshare"
done
for name in laptop h1 h2; do
  for _ in $(seq 100); do
    [[ ! -e $dir/$name/ready ]] || break
    sleep 0.1
  done
  [[ -e $dir/$name/ready ]] || { echo "up.sh: $name did not start: $(<"$dir/$name/log")" >&2; exit 1; }
  unshare=$(<"$dir/$name/unshare")
  cat "/proc/$unshare/task/$unshare/children" | tr -d ' ' >"$dir/$name/pid"
done
