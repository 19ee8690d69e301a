#!/usr/bin/env bash
# Entry point of the image: almsweep-entrypoint ROLE [ARGUMENTS]
#
#   head [RAY OPTIONS]     Ray head node
#   worker [RAY OPTIONS]   Ray node that joins the head at ALMSWEEP_HEAD (host:port)
#   mlflow [OPTIONS]       MLflow server; with a password unless MLFLOW_HOST is loopback
#   run SPACE [OPTIONS]    almsweep run
#   mps                    starts NVIDIA MPS if it is wanted, and returns
#   COMMAND [ARGUMENTS]    any other command, with the secrets in its environment
#
# A head that is told to stop ends its sweeps as `almsweep cancel` does, and Ray after them.
# Secrets come from the environment, or from the file that NAME_FILE names; they are never arguments and never
# printed. RAY_AUTH_TOKEN_PATH is read by Ray itself. docs/cluster.md lists the variables.
set -euo pipefail

run_dir=${ALMSWEEP_RUN_DIR:-/tmp/almsweep}
own_mps=0
role=
child=
stopping=0

readable="where the secrets are the compose stack's, run: docker/make-secrets.sh \"\$ALMSWEEP_SECRETS\""

say() { printf 'almsweep-entrypoint: %s\n' "$*" >&2; }

fail() {
  say "$@"
  exit 64
}

# load_secret NAME: exports NAME with the content of the file in NAME_FILE, where that is set.
load_secret() {
  local name=$1 file_name=$1_FILE file value
  file=${!file_name:-}
  [[ -n $file ]] || return 0
  [[ -z ${!name:-} ]] || fail "expected $name or $file_name, given both"
  [[ -f $file ]] || fail "$file_name: there is no file $file"
  [[ -r $file ]] || fail "$file_name: user $(id -u) cannot read $file; $readable"
  value=$(<"$file")
  [[ -n $value ]] || fail "$file_name: $file is empty"
  export "$name=$value"
  unset "$file_name"
}

require_secret() {
  load_secret "$1"
  [[ -n ${!1:-} ]] || fail "$1 or $1_FILE must be set: there is no default"
}

require_ray_token() {
  export RAY_AUTH_MODE=${RAY_AUTH_MODE:-token}
  if [[ $RAY_AUTH_MODE != token ]]; then
    say "warning: RAY_AUTH_MODE=$RAY_AUTH_MODE: whoever reaches this node's ports can run code on it"
    return
  fi
  [[ -z ${RAY_AUTH_TOKEN:-} ]] || return 0
  local file=${RAY_AUTH_TOKEN_PATH:-$HOME/.ray/auth_token}
  [[ ! -f $file || -r $file ]] || fail "no Ray token: user $(id -u) cannot read $file; $readable"
  [[ -r $file && -s $file ]] \
    || fail "no Ray token: set RAY_AUTH_TOKEN_PATH to a readable file with the cluster's token (looked at $file)"
}

own_address() {
  local address
  address=${ALMSWEEP_NODE_IP:-}
  [[ -n $address ]] || read -r address _ < <(hostname -i)
  printf '%s' "$address"
}

is_fraction() { [[ $1 =~ ^0?\.[0-9]*[1-9][0-9]*$ ]]; }

# mps_wanted GPUS_PER_TRIAL: true if MPS should run here.
mps_wanted() {
  local present=1
  command -v nvidia-cuda-mps-control >/dev/null || present=0
  case ${ALMSWEEP_MPS:-auto} in
    0) return 1 ;;
    1) ((present)) || fail "ALMSWEEP_MPS=1, but nvidia-cuda-mps-control is not on PATH" ;;
    auto) ((present)) && is_fraction "$1" ;;
    *) fail "ALMSWEEP_MPS: expected 0, 1 or auto, given ${ALMSWEEP_MPS}" ;;
  esac
}

start_mps() {
  export CUDA_MPS_PIPE_DIRECTORY=${CUDA_MPS_PIPE_DIRECTORY:-$run_dir/mps}
  export CUDA_MPS_LOG_DIRECTORY=${CUDA_MPS_LOG_DIRECTORY:-$run_dir/mps-log}
  (umask 077 && mkdir -p "$CUDA_MPS_PIPE_DIRECTORY" "$CUDA_MPS_LOG_DIRECTORY")
  if nvidia-cuda-mps-control <<<get_server_list >/dev/null 2>&1; then
    say "NVIDIA MPS is running already"
    return
  fi
  nvidia-cuda-mps-control -d || fail "NVIDIA MPS did not start; its logs are in $CUDA_MPS_LOG_DIRECTORY"
  own_mps=1
  say "started NVIDIA MPS"
}

stop_mps() {
  ((own_mps)) || return 0
  nvidia-cuda-mps-control <<<quit >/dev/null || say "NVIDIA MPS did not answer to quit"
}

# forward SIGNAL: passes it on to the child, which decides how to end.
forward() {
  stopping=1
  [[ -z $child ]] || kill -"$1" "$child" 2>/dev/null || true
}

# Sets status to the child's exit status. A trapped signal ends `wait` early, so it is called until the child is gone.
wait_for_child() {
  status=0
  wait "$child" || status=$?
  while kill -0 "$child" 2>/dev/null; do
    status=0
    wait "$child" || status=$?
  done
  local last=0
  wait "$child" 2>/dev/null || last=$?
  ((last == 127)) || status=$last
}

# Lets the sweeps that are driven in this container end well: their Ray is still whole.
end_sweeps() {
  almsweep cancel --here --within "${ALMSWEEP_SWEEP_SECONDS:-90}" >&2 || say "not all sweeps ended in time"
}

# serve_node RAY START OPTIONS: a Ray node until it ends or TERM comes. Then the sweeps of a head end first, Ray after
# them, and MPS last.
serve_node() {
  local address
  local -a options=("$@")
  address=$(own_address)
  [[ -z ${ALMSWEEP_NUM_CPUS:-} ]] || options+=("--num-cpus=$ALMSWEEP_NUM_CPUS")
  [[ -z ${ALMSWEEP_NUM_GPUS:-} ]] || options+=("--num-gpus=$ALMSWEEP_NUM_GPUS")
  [[ -z ${ALMSWEEP_OBJECT_STORE_BYTES:-} ]] || options+=("--object-store-memory=$ALMSWEEP_OBJECT_STORE_BYTES")
  unset RAY_ADDRESS # it would override --address
  ulimit -n 65536 2>/dev/null || true
  ! mps_wanted "${ALMSWEEP_GPUS_PER_TRIAL:-}" || start_mps
  if [[ $role == head ]]; then
    trap 'stopping=1; end_sweeps; forward TERM' TERM INT
  else
    trap 'forward TERM' TERM INT
  fi
  ray start --block "--node-ip-address=$address" --dashboard-agent-listen-port=52365 "${options[@]}" &
  child=$!
  wait_for_child
  ray stop --grace-period "${ALMSWEEP_GRACE_SECONDS:-15}" >/dev/null || true
  stop_mps
  ((stopping)) && exit 0
  exit "$status"
}

serve_head() {
  local dashboard=${ALMSWEEP_DASHBOARD_HOST:-127.0.0.1}
  require_ray_token
  load_secret MLFLOW_TRACKING_PASSWORD # jobs that the head starts inherit it
  export RAY_JOB_STOP_WAIT_TIME_S=${RAY_JOB_STOP_WAIT_TIME_S:-600} # time for a stopped sweep to end well
  [[ $dashboard != node ]] || dashboard=$(own_address)
  serve_node --head --port=6379 --ray-client-server-port=10001 "--dashboard-host=$dashboard" --dashboard-port=8265 "$@"
}

# Waits until the head listens: nodes start in any order, and a head may come back.
await_head() {
  local host=${ALMSWEEP_HEAD%:*} port=${ALMSWEEP_HEAD##*:} tries=0
  trap 'exit 0' TERM INT
  # shellcheck disable=SC2016
  while ! timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$host" "$port" 2>/dev/null; do
    ((tries++ % 30)) || say "waiting for the head at $ALMSWEEP_HEAD"
    sleep 1
  done
}

serve_worker() {
  require_ray_token
  [[ ${ALMSWEEP_HEAD:-} =~ ^.+:[0-9]+$ ]] \
    || fail "ALMSWEEP_HEAD: expected the head's address as host:port, given '${ALMSWEEP_HEAD:-}'"
  await_head
  serve_node "--address=$ALMSWEEP_HEAD" "$@"
}

# The MLflow server with its password-protected application, whose settings go into a file without secrets.
serve_mlflow() {
  local host=${MLFLOW_HOST:-127.0.0.1} backend=${MLFLOW_BACKEND_STORE_URI:-sqlite:////mlflow/mlflow.db}
  local -a options=(--host "$host" --port "${MLFLOW_PORT:-5000}" --workers "${MLFLOW_WORKERS:-1}")
  options+=(--serve-artifacts --artifacts-destination "${MLFLOW_ARTIFACTS_DESTINATION:-/mlflow/artifacts}")
  [[ ! $backend =~ ://[^/@]*:[^/@]*@ && ! ${backend,,} =~ [?\&][a-z_]*(password|passwd|secret|token)[a-z_]*= ]] \
    || fail "MLFLOW_BACKEND_STORE_URI holds a password: give it in PGPASSWORD_FILE instead"
  load_secret PGPASSWORD # read by PostgreSQL's client library
  backend=${backend/#postgresql:/postgresql+psycopg2:} # the driver that is installed; SQLAlchemy's own choice varies
  export MLFLOW_BACKEND_STORE_URI=$backend
  if [[ ! $host =~ ^(127\.|localhost$|::1$) || -n ${MLFLOW_AUTH_ADMIN_PASSWORD_FILE:-}${MLFLOW_AUTH_ADMIN_PASSWORD:-} ]]; then
    require_secret MLFLOW_AUTH_ADMIN_PASSWORD
    require_secret MLFLOW_FLASK_SERVER_SECRET_KEY
    export MLFLOW_AUTH_CONFIG_PATH=$run_dir/mlflow-auth.ini
    printf '[mlflow]\ndefault_permission = READ\ndatabase_uri = %s\nadmin_username = %s\nauth_cache_ttl_seconds = 60\n' \
      "$backend" "${MLFLOW_AUTH_ADMIN_USERNAME:-admin}" >"$MLFLOW_AUTH_CONFIG_PATH"
    options+=(--app-name basic-auth)
  fi
  mlflow db upgrade "$backend" # one process creates the tables before several connect
  exec mlflow server "${options[@]}" "$@"
}

# option_value NAME ARGUMENTS: the last value of an option given as `NAME VALUE` or `NAME=VALUE`.
option_value() {
  local name=$1 value=
  shift
  while (($#)); do
    case $1 in
      "$name") value=${2:-} ;;
      "$name="*) value=${1#*=} ;;
    esac
    shift
  done
  printf '%s' "$value"
}

# One sweep. Where it starts its own Ray and shares a GPU, MPS runs beside it; its standard input is closed then.
run_sweep() {
  local gpus address
  gpus=$(option_value --gpus-per-trial "$@")
  address=$(option_value --address "$@")
  load_secret MLFLOW_TRACKING_PASSWORD
  if [[ -n $address || -n ${RAY_ADDRESS:-} ]]; then
    require_ray_token
    exec almsweep run "$@"
  fi
  mps_wanted "${gpus:-${ALMSWEEP_GPUS_PER_TRIAL:-}}" || exec almsweep run "$@"
  start_mps
  trap 'forward TERM' TERM
  trap 'forward INT' INT
  set -m # or bash would start the child deaf to INT
  almsweep run "$@" </dev/null &
  child=$!
  set +m
  wait_for_child
  stop_mps
  exit "$status"
}

main() {
  (($#)) || fail "expected a role (head, worker, mlflow, run, mps) or a command, given nothing"
  role=$1
  shift
  (umask 077 && mkdir -p "$run_dir")
  case $role in head | worker | mlflow) printf '%s' "$role" >"$run_dir/role" ;; esac
  case $role in
    head) serve_head "$@" ;;
    worker) serve_worker "$@" ;;
    mlflow) serve_mlflow "$@" ;;
    run) run_sweep "$@" ;;
    mps) ! mps_wanted "${ALMSWEEP_GPUS_PER_TRIAL:-}" || start_mps ;;
    *)
      load_secret MLFLOW_TRACKING_PASSWORD
      exec "$role" "$@"
      ;;
  esac
}

main "$@"
