#!/usr/bin/env bash
# make-secrets.sh FOLDER: writes the random secrets of the compose stack that are not there yet; prints none of them.
# The folder is closed to everybody else. A container sees single files of it, as a user who need not be its owner: so
# the files themselves may be read by all, whom the folder lets through.
set -euo pipefail

fail() {
  printf 'make-secrets.sh: %s\n' "$*" >&2
  exit 64
}

(($# == 1)) || fail "usage: make-secrets.sh FOLDER"
umask 077
mkdir -p -- "$1"
chmod 700 -- "$1" || fail "$1: user $(id -u) cannot close this folder of user $(stat -c %u -- "$1") to others"
for name in ray_token postgres_password mlflow_password mlflow_session_key; do
  file=$1/$name
  [[ ! -d $file ]] || fail "$file: expected a file, found a folder, as Docker makes for a file that is not there; remove it"
  if [[ -s $file ]]; then
    echo "kept $file" >&2
  else
    rm -f -- "$file"
    head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$file"
    echo "wrote $file" >&2
  fi
  chmod 444 -- "$file" || fail "$file: could not be made readable for the containers"
done
