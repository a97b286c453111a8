#!/bin/sh
# example.sh EXPECTED COMMAND [ARGUMENT]...: it exits with 0 and prints EXPECTED and nothing else.
# Would catch: an example that no longer does what its first lines say.
set -u
expected=$(printf "%b" "$1")
shift
actual=$("$@" 2>&1)
code=$?
[ $code -eq 0 ] && [ "$actual" = "$expected" ] && exit 0
printf '%s: exit code %s\nexpected: %s\nactual:   %s\n' "$1" "$code" "$expected" "$actual"
exit 1
