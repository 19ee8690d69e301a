#!/bin/bash
# host.sh FOLDER [sshd]: the first process of a host's namespaces. Own host name, home, Ray folder and shared memory.
# Ends all processes of the host when it ends, because it is the first of its PID namespace.
set -euo pipefail
folder=$1
hostname "$(basename "$folder")"
mount --bind "$folder/ray" /tmp/ray
mount -t tmpfs -o size=1g tmpfs /dev/shm
sed "s|^root:.*|root:x:0:0:root:$folder/home:/bin/bash|" /etc/passwd >"$folder/passwd"
mount --bind "$folder/passwd" /etc/passwd
touch "$folder/ready"
if [[ ${2:-} == sshd ]]; then exec /usr/sbin/sshd -D -f "$folder/sshd_config"; fi
exec sleep infinity
