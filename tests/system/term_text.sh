#!/bin/sh
# nprocreg term and nprocreg why --nodes: terms, bytes and placement without any cluster.
. "$(dirname "$0")/lib.sh"

term() { # term EXPECTED_TEXT EXPECTED_HEX ARGUMENT...
    text=$1
    hex=$2
    shift 2
    expect_exit 0 "$nprocreg" term "$@"
    [ "$(cat "$dir/out")" = "$text
$hex" ] || fail "term $*: $(cat "$dir/out")"
}

term "foo" 837703666f6f foo
term "foo" 83640003666f6f foo --otp 25
expect_exit 0 "$nprocreg" term '{user, 42}.' --json
expect_out '^{"text":"{user,42}","hex":"836802770475736572612a"}$'
expect_exit 0 "$nprocreg" term '<<"room 7">>' --json
expect_out '"hex":"836d00000006726f6f6d2037"'
expect_exit 0 "$nprocreg" term --hex 83640003666f6f
expect_out '^foo$'
expect_out '^837703666f6f$'
expect_exit 0 "$nprocreg" term --hex 6101
expect_out '^1$'
printf '#{a => [1,2|3]}\n' | "$nprocreg" term >"$dir/out" || fail "term from standard input"
expect_out '^#{a => \[1,2|3\]}$'

# A malformed one is a usage error, in one line with the offset.
for bad in '{a,' '"abc' '16#' '<<1' 'Foo' '[1,2' '#{a=>}' "'" '1.e' '{a}}' '<<300:x>>'; do
    expect_exit 2 "$nprocreg" term -- "$bad"
    expect_err 'offset [0-9]'
    [ "$(wc -l <"$dir/err")" -eq 1 ] || fail "more than one line for $bad"
done
for bad in 83 8361 zz 836 8368026101 83ff; do
    expect_exit 2 "$nprocreg" term --hex "$bad"
    expect_err 'offset [0-9]'
done

# Placement is the original's, in both manners of writing atoms.
expect_exit 0 "$nprocreg" why foo --nodes n2@h,n1@h,n10@h --otp 25 --json
expect_out '^{"key":"foo","encoding":"83640003666f6f","md5":"74d838076580248d53ce94b3d99ee7d3","index":2,"owner":"n2@h"}$'
expect_exit 0 "$nprocreg" why foo --nodes n2@h,n1@h,n10@h --otp 26 --json
expect_out '"encoding":"837703666f6f"'
expect_exit 2 "$nprocreg" why foo --nodes a@h,nonsense
expect_exit 2 "$nprocreg" why foo --nodes a@h,a@h
expect_exit 2 "$nprocreg" why 'maps:x' --nodes a@h
done_testing
