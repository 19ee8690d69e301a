#!/usr/bin/env bash
# stage.sh [FOLDER]: collects what a cluster host needs into build/node, which docker/cluster*.yaml copy there:
# the package's wheel, the locked requirements, the commit, and the scripts. Run it before `ray up`.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(dirname "$here")
stage=${1:-$repository/build/node}
rm -f -- "$stage"/*.whl
rm -rf -- "$repository/build/lib" # setuptools would pack modules that are gone from the source
mkdir -p "$stage"
"${PYTHON:-python3}" -m pip wheel --quiet --no-deps --wheel-dir "$stage" "$repository"
cp -- "$here"/requirements*.txt "$here"/setup-node.sh "$here"/entrypoint.sh "$stage"/
git -C "$repository" describe --always --dirty --abbrev=40 '--exclude=*' >"$stage/COMMIT" || echo unknown >"$stage/COMMIT"
echo "staged $(<"$stage/COMMIT") in $stage" >&2
