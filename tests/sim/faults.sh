#!/bin/sh
# faults.sh SIMULATOR [SEEDS]: each mistake that can be planted into the core is found by some checker
# within 20,000 seeds; prints how soon, and by which.  It would catch checkers that have gone blind.
set -eu
bad=0
printf '| %s | %s | %s |\n' mistake 'seeds until found' checker
for fault in $("$1" --list-faults | cut -d' ' -f1); do
    found=$("$1" --fault "$fault" --seeds "${2:-20000}" --findings 1 --jobs 1 2>/dev/null) && {
        echo "$fault is not found" >&2
        bad=1
        continue
    }
    checker=$(printf '%s\n' "$found" | sed -n 's/^FAILED \([a-z]*\):.*/\1/p' | head -n 1)
    seed=$(printf '%s\n' "$found" | sed -n 's/^    seed \([0-9]*\):.*/\1/p' | head -n 1)
    printf '| `%s` | %s | `%s` |\n' "$fault" "$seed" "$checker"
done
exit $bad
