#!/bin/sh
# Becomes a program in a pod: its network, process numbers that die together, and a root of its own, made of the
# machine's directories and the pod's.
set -e
pod=@pod@
if [ "$FAIRLEAD_POD" != "$pod" ]; then
  export FAIRLEAD_POD="$pod"
  exec nsenter --net="$pod/network" \
    unshare --mount --propagation private --pid --fork --kill-child=SIGKILL "$0" "$@"
fi
unset FAIRLEAD_POD
root=$pod/root
mkdir -p "$root"
mount -t tmpfs -o mode=755 root "$root"
for entry in /*; do
  name=${entry#/}
  case $name in
    etc|run|tmp|var) ;;
    *)
      if [ -L "$entry" ]; then
        ln -s "$(readlink "$entry")" "$root/$name"
      elif [ -d "$entry" ]; then
        mkdir "$root/$name"
        mount --rbind "$entry" "$root/$name"
      fi ;;
  esac
done
for name in etc run tmp var; do
  mkdir "$root/$name"
  mount --bind "$pod/$name" "$root/$name"
done
for file in "$pod"/top/*; do
  [ ! -e "$file" ] || ln -s "$file" "$root/"
done
[ -e "$root/var/run" ] || ln -s /run "$root/var/run"
# By being the same, not by being there: below the pod's own directories a mount point stays behind, empty.
for path in @binds@; do
  if [ ! "$root$path" -ef "$path" ]; then
    mkdir -p "$root$path"
    mount --bind "$path" "$root$path"
  fi
done
exec chroot "$root" /bin/sh -c 'cd "$1" && shift && exec "$@"' pod "$pod/work" "$@"
