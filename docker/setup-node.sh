#!/usr/bin/env bash
# setup-node.sh --flavour cpu|cuda --output STORE --data FOLDER [--gpus-per-trial F] [--tracking-uri URI]
#
# Prepares a cluster host, as docker/cluster*.yaml call it from the staged folder: a virtual environment in
# ~/.almsweep/venv with the locked requirements and the package, and ~/.almsweep/environment, which ~/.bashrc reads.
# Nothing is installed again while the staged files stay the same. All hosts need one flavour and one Python version.
set -euo pipefail

fail() {
  printf 'setup-node.sh: %s\n' "$*" >&2
  exit 64
}

stage=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
base=$HOME/.almsweep
flavour='' output='' data='' gpus='' tracking=''
while (($#)); do
  (($# > 1)) || fail "$1: expected a value"
  case $1 in
    --flavour) flavour=$2 ;;
    --output) output=$2 ;;
    --data) data=$2 ;;
    --gpus-per-trial) gpus=$2 ;;
    --tracking-uri) tracking=$2 ;;
    *) fail "unknown option $1" ;;
  esac
  shift 2
done
[[ $flavour == cpu || $flavour == cuda ]] || fail "--flavour: expected cpu or cuda, given '$flavour'"
[[ -n $output && -n $data ]] || fail "--output and --data are needed"
[[ ! $tracking =~ ://[^/@]*@ && ! $tracking =~ [?\&][a-z_]*(password|passwd|secret|token)[a-z_]*= ]] \
  || fail "--tracking-uri holds credentials: put them in ~/.mlflow/credentials"

token=$HOME/.ray/auth_token
[[ -s $token ]] || fail "no Ray token in $token: run 'ray get-auth-token --generate' where you call 'ray up'"
chmod 600 "$token"

python=${ALMSWEEP_PYTHON:-python3}
"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
  || fail "$python: expected Python 3.11 to 3.13, given $("$python" --version 2>&1)"

stamp=$( (echo "$flavour" && "$python" --version && sha256sum "$stage"/requirements*.txt "$stage"/*.whl) | sha256sum)
if [[ ! -r $base/stamp || $(<"$base/stamp") != "$stamp" ]]; then
  rm -rf -- "$base/venv" "$base/stamp"
  "$python" -m venv "$base/venv"
  install=("$base/venv/bin/python" -m pip install --quiet --no-deps)
  "${install[@]}" --require-hashes -r "$stage/requirements.txt"
  if [[ $flavour == cuda ]]; then
    "${install[@]}" --require-hashes -r "$stage/requirements-cuda.txt"
  else
    "${install[@]}" --index-url "${ALMSWEEP_CPU_INDEX:-https://download.pytorch.org/whl/cpu}" \
      -r "$stage/requirements-cpu.txt"
  fi
  "${install[@]}" --no-index "$stage"/*.whl
  printf '%s\n' "$stamp" >"$base/stamp"
fi

{
  echo "# Written by setup-node.sh."
  # shellcheck disable=SC2016
  printf 'export PATH=%q:$PATH\n' "$base/venv/bin"
  printf 'export %s=%q\n' RAY_AUTH_MODE token RAY_USAGE_STATS_ENABLED 0 MLFLOW_DISABLE_TELEMETRY true \
    RAY_JOB_STOP_WAIT_TIME_S 600 \
    ALMSWEEP_COMMIT "$(<"$stage/COMMIT")" ALMSWEEP_OUTPUT "$output" ALMSWEEP_DATA "$data" \
    ALMSWEEP_RUN_DIR "$base/run" ALMSWEEP_GPUS_PER_TRIAL "$gpus" CUDA_MPS_PIPE_DIRECTORY "$base/run/mps"
  [[ -z $tracking ]] || printf 'export MLFLOW_TRACKING_URI=%q\n' "$tracking"
} >"$base/environment"

# First in ~/.bashrc, because many a ~/.bashrc returns early in shells that are not interactive.
# shellcheck disable=SC2016
line='. "$HOME/.almsweep/environment" # almsweep'
touch "$HOME/.bashrc"
grep -qxF "$line" "$HOME/.bashrc" || printf '%s\n%s\n' "$line" "$(<"$HOME/.bashrc")" >"$HOME/.bashrc.almsweep"
[[ ! -e $HOME/.bashrc.almsweep ]] || mv -- "$HOME/.bashrc.almsweep" "$HOME/.bashrc"
