#!/bin/sh
# man.sh COMMAND PAGE: every command and option that --help tells of is in the manual page: the command as
# a section that has its arguments and names its options, the option where all are described, and nothing else.
set -u
command=$1
page=$2
bad=0
plain=$(mktemp)
trap 'rm -f "$plain"' EXIT
sed 's/\\-/-/g' "$page" >"$plain"

complain() {
    echo "$page: $*"
    bad=1
}

options_of() { # options_of NAME: as its --help lists them
    "$command" "$1" --help | sed -n 's/^  .\{4\}\(--[a-z][a-z-]*\).*/\1/p' | grep -v '^--help$' | sort
}

section_of() { # section_of NAME: the lines of its section
    awk -v name="$1" '
        /^\.S[SH] / { inside = ($0 ~ "^\\.SS \"nprocreg " name "[ \"]") }
        inside { print }' "$plain"
}

names=$("$command" --help | sed -n 's/^  \([a-z][a-z]*\)  *[A-Z].*/\1/p')
[ -n "$names" ] || complain "--help names no command"
all=""
for name in $names; do
    [ -n "$(section_of "$name")" ] || complain "no section 'nprocreg $name'"
    usage=$("$command" "$name" --help | sed -n 's/^usage: \(.*\) \[OPTION\]\.\.\.$/\1/p')
    [ "$(section_of "$name" | sed -n '1s/^\.SS "\(.*\)"$/\1/p')" = "$usage" ] || complain "section of $name: not '$usage'"
    told=$(section_of "$name" | sed -n '/^Options:/,$p' | grep -o -e '--[a-z][a-z-]*' | sort)
    real=$(options_of "$name")
    [ "$told" = "$real" ] || complain "nprocreg $name: options" $told "instead of" $real
    all="$all $real"
done
described=$(sed -n '/^\.SH OPTIONS/,/^\.SH "EXIT/p' "$plain" | grep -A 1 '^\.TP' |
    grep -o -e '--[a-z][a-z-]*' | sort -u)
real=$(printf '%s\n' $all --help | sort -u)
[ "$described" = "$real" ] || complain "OPTIONS has" $described "instead of" $real
told=$(sed -n 's/^\.SS "nprocreg \([a-z]*\).*/\1/p' "$plain" | sort)
[ "$told" = "$(printf '%s\n' $names | sort)" ] || complain "sections of commands that are not"
exit $bad
