#!/bin/sh
# The original's rules under the same checkers: they must find its duplicates, and say so with exit
# code 1.  It would catch checkers that see nothing.
set -eu
code=0
found=$("$1" --protocol original --seeds 200 --findings 1000) || code=$?
[ "$code" -eq 1 ] || { echo "exit code $code, not 1"; exit 1; }
duplicates=$(printf '%s\n' "$found" | grep -c '^FAILED single: ') || true
[ "$duplicates" -ge 50 ] || { echo "duplicates in only $duplicates of 200 seeds"; exit 1; }
echo "duplicates in $duplicates of 200 seeds"
