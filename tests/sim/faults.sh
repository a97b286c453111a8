#!/bin/sh
# faults.sh SIMULATOR [SEEDS]: each mistake that can be planted into the core is found by some checker
# within 20,000 seeds; prints how soon, and by which.  A seed that fails without it, too, does not
# count, and a crash is no finding: it says nothing of the checkers.  It would catch checkers that
# have gone blind.
set -eu
bad=0
find_one() { # find_one FAULT: prints the seed and the checker; fails when there is none
    first=1
    while [ "$first" -le "$seeds" ]; do
        found=$("$simulator" --fault "$1" --first "$first" --seeds $((seeds - first + 1)) \
            --findings 1 --jobs 1 2>/dev/null) && return 1
        seed=$(printf '%s\n' "$found" | sed -n 's/^    seed \([0-9]*\):.*/\1/p' | head -n 1)
        checker=$(printf '%s\n' "$found" | sed -n 's/^FAILED \([a-z]*\):.*/\1/p' | head -n 1)
        if [ "$checker" != crash ] && "$simulator" --seed "$seed" >/dev/null 2>&1; then
            return 0
        fi
        first=$((seed + 1))
    done
    return 1
}
simulator=$1
seeds=${2:-20000}
printf '| mistake | seeds until found | checker |\n|---|--:|---|\n'
for fault in $("$simulator" --list-faults | cut -d' ' -f1); do
    if find_one "$fault"; then
        printf '| `%s` | %s | `%s` |\n' "$fault" "$seed" "$checker"
    else
        echo "$fault is not found" >&2
        bad=1
    fi
done
exit $bad
