#!/bin/sh
# headers.sh INCLUDE CC CXX: every public header compiles alone, twice in a row, as C17 and as C++17,
# with all warnings that its users may have switched on.
# Would catch: a header that needs another before it, one without a guard, C that C++ does not take;
# a module in C++ whose symbol nobody finds; an argument of NPR_BUILD or NPR_MATCH of a type that no
# letter takes, and that compiles all the same.
set -u
include=$1
bad=0
both="-Werror -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wcast-qual -Wcast-align -Wundef
      -Wvla -Wswitch-enum -Wformat=2 -Wredundant-decls -fsyntax-only"

compile() { # compile HEADER COMPILER FLAG...
    header=$1
    shift
    printf '#include "nprocreg/%s"\n#include "nprocreg/%s"\n' "$header" "$header" |
        # shellcheck disable=SC2086 # one word per flag
        "$@" $both -I"$include" - || { echo "nprocreg/$header does not compile: $*"; bad=1; }
}

for path in "$include"/nprocreg/*.h; do
    header=$(basename "$path")
    compile "$header" "$2" -x c -std=c17 -Wshadow -Wstrict-prototypes -Wmissing-prototypes
    compile "$header" "$3" -x c++ -std=c++17 -Wold-style-cast -Wzero-as-null-pointer-constant \
        -Wnon-virtual-dtor
done

object=$(mktemp)
trap 'rm -f "$object"' EXIT
printf '#include "nprocreg/nprocreg.h"\nstatic const npr_module mine = {};\nNPR_MODULE(mine)\n' |
    "$3" -x c++ -std=c++17 -Wall -Wextra -Werror -I"$include" -c - -o "$object" || bad=1
nm "$object" | grep -q ' T nprocreg_module$' || { echo "NPR_MODULE does not work in C++"; bad=1; }

takes() { # takes EXPRESSION: it compiles, in both languages
    body="#include \"nprocreg/nprocreg.h\"
        int f(struct npr_builder *b, struct npr_term t, void *any, int *n, short *narrow, bool *flag);
        int f(struct npr_builder *b, struct npr_term t, void *any, int *n, short *narrow, bool *flag)
        { (void)b; (void)t; (void)any; (void)n; (void)narrow; (void)flag; $1; return 0; }"
    printf '%s\n' "$body" | $cc -std=c17 -fsyntax-only -I"$include" -x c - 2>/dev/null &&
        printf '%s\n' "$body" | $cxx -std=c++17 -fsyntax-only -I"$include" -x c++ - 2>/dev/null
}

takes_not() { # takes_not EXPRESSION: in neither
    ! takes "$1" && ! cxx=true takes "$1" && ! cc=true takes "$1"
}

cc=$2 cxx=$3
takes 'NPR_BUILD(b, "{~i,~a,~t}", *n, "a", t)' || { echo "NPR_BUILD does not compile"; bad=1; }
takes '(void)NPR_MATCH(t, "{~i,~t}", n, &t)' || { echo "NPR_MATCH does not compile"; bad=1; }
for wrong in 'NPR_BUILD(b, "~i", any)' 'NPR_BUILD(b, "~a", *flag)' 'NPR_BUILD(b, "~i", n)' \
    '(void)NPR_MATCH(t, "~i", *n)' '(void)NPR_MATCH(t, "~i", narrow)' \
    '(void)NPR_MATCH(t, "~a", any)' '(void)NPR_MATCH(t, "~a", flag)'; do
    takes_not "$wrong" || { echo "compiles: $wrong"; bad=1; }
done
exit $bad
