#!/usr/bin/env bash
# make-secrets.sh FOLDER: writes the random secrets of the compose stack that are not there yet; prints none of them.
# The containers read them as user 1000 (ALMSWEEP_UID), so run it as that user.
set -euo pipefail

(($# == 1)) || {
  echo "usage: make-secrets.sh FOLDER" >&2
  exit 64
}
umask 077
mkdir -p "$1"
for name in ray_token postgres_password mlflow_password mlflow_session_key; do
  file=$1/$name
  if [[ -s $file ]]; then
    echo "kept $file" >&2
    continue
  fi
  head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$file"
  echo "wrote $file" >&2
done
