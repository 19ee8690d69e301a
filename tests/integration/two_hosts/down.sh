#!/bin/bash
# down.sh DIR: ends what up.sh started, also what it started before it failed. Killing the first process of a PID
# namespace ends all in it, and `unshare` with it.
dir=$(realpath "$1")
[[ -r $dir/prefix ]] || exit 0
prefix=$(<"$dir/prefix")
for name in laptop h1 h2; do
  for file in pid unshare; do
    [[ ! -s $dir/$name/$file ]] || kill -KILL "$(<"$dir/$name/$file")" 2>/dev/null
  done
  ip netns del "$prefix-$name" 2>/dev/null
done
exit 0
