#!/bin/sh
# arguments.sh SIMULATOR: what makes no sense is refused with exit code 64 and a line that says what to
# write instead.  It would catch runs that are green because nothing was run, or nothing was looked at.
set -eu
simulator=$1
refused() { # refused TEXT ARGUMENT...
    text=$1
    shift
    code=0
    said=$("$simulator" "$@" 2>&1 >/dev/null) || code=$?
    [ "$code" -eq 64 ] || { echo "$*: exit code $code, not 64"; exit 1; }
    case $said in
    *"$text"*) ;;
    *) echo "$*: says '$said', not '$text'"; exit 1 ;;
    esac
}
refused '--only is one of single token' --seeds 1 --only nobody
refused '--only is one of single token' --seeds 1 --only
refused '--seeds needs a number, from 1 on' --seeds 0
refused '--findings needs a number, from 1 on' --seeds 1 --findings 0
refused '--jobs needs a number, from 1 on' --seeds 1 --jobs none
refused '--nodes is 2 to 24 for runs from seeds' --seeds 1 --nodes 25
refused '--nodes is 2 to 4096 for a report' --report --nodes 1
refused '--keys is 10000000 at most' --report --nodes 2 --keys 10000001
refused '--fault is one of' --seeds 1 --fault none
refused '--protocol is native or original' --seeds 1 --protocol other
refused 'unknown argument --faults' --faults
"$simulator" --seeds 20 --only single >/dev/null
