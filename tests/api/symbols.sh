#!/bin/sh
# symbols.sh LIBRARY INCLUDE: libnprocreg.so shows what its headers declare, versioned, and no more.
# Would catch: an internal name that leaks, a function that is declared and not exported (or not even
# written), a symbol without a version.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

nm -D --defined-only --with-symbol-versions "$1" | awk '$2 != "A" { print $3 }' | sort >"$work/shown"
cat "$2"/nprocreg/*.h | tr '\n' ' ' | grep -o 'NPR_API[^;{]*;' |
    sed -n 's/^[^(]*[ *]\(npr_[a-z0-9_]*\)(.*/\1@@NPROCREG_0/p' |
    sed 's/^NPR_NODISCARD //' | sort -u >"$work/declared"

[ "$(wc -l <"$work/declared")" -ge 60 ] || {
    echo "only $(wc -l <"$work/declared") declarations found: is this test still reading the headers?"
    exit 1
}
diff "$work/declared" "$work/shown" >"$work/diff" || {
    echo "declared (<) and exported (>) differ:"
    grep '^[<>]' "$work/diff"
    exit 1
}
