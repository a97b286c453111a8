#!/bin/sh
# Cookies by Erlang's conventions, and what a wrong one gets.
# $4 is slow_cookies.c, to be preloaded.
slow_cookies=$4
. "$(dirname "$0")/lib.sh"
HOME=$dir/home
export HOME
unset XDG_CONFIG_HOME
mkdir "$HOME"

# None: one is made, as Erlang makes it.
expect_exit 3 "$nprocreg" get a --node a@127.0.0.1
grep -qE '^[A-Z]{20}$' "$HOME/.erlang.cookie" || fail "no cookie of twenty capitals was made"
[ "$(stat -c %a "$HOME/.erlang.cookie")" = 400 ] || fail "the new cookie can be read by others"

# Many who find none at once, each for a while in the middle of writing its own: all have the whole
# cookie of one of them, and nothing else is left behind.  Would catch: a file that is there before its
# contents are (the cookie file is empty), one that takes the place of another (a node of another cookie).
HOME=$dir/fresh
mkdir "$HOME"
slowly() { # in the place of the subshell, so that $! is the program
    exec env LD_PRELOAD="$slow_cookies" ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" "$@"
}
gets=""
i=0
while [ $i -lt 50 ]; do
    { (slowly "$nprocreg" get a --node nobody@127.0.0.1) >/dev/null 2>"$dir/get.$i"; echo $? >"$dir/code.$i"; } &
    gets="$gets $!"
    case $i in
    5) slowly "$nprocreg" node --name first@127.0.0.1 >"$dir/first.out" 2>"$dir/first.log" & first=$! ;;
    10) slowly "$nprocreg" node --name second@127.0.0.1 --join first@127.0.0.1 >"$dir/second.out" \
        2>"$dir/second.log" & second=$! ;;
    esac
    i=$((i + 1))
done
started_pids="$started_pids $first $second"
for get in $gets; do
    wait "$get"
done
[ "$(cat "$dir"/code.* | sort -u)" = 3 ] || fail "not all just found nobody: $(cat "$dir"/get.* | sort | uniq -c)"
two_there() { [ "$("$nprocreg" nodes --node second@127.0.0.1 | wc -l)" -eq 2 ]; }
wait_until "two nodes of the same cookie meet" two_there
[ "$(ls -A "$HOME")" = .erlang.cookie ] || fail "left behind: $(ls -A "$HOME")"
[ "$(stat -c %a "$HOME/.erlang.cookie")" = 400 ] || fail "the new cookie can be read by others"
HOME=$dir/home

# Readable by others: refused.
chmod 444 "$HOME/.erlang.cookie"
expect_exit 2 "$nprocreg" get a --node a@127.0.0.1
expect_err 'must be accessible by its owner only'

# Read from there, with the newline that editors leave.
chmod 600 "$HOME/.erlang.cookie"
printf '%s\n' "$(cat "$dir/cookie")" >"$HOME/.erlang.cookie"
start_node a
expect_exit 1 "$nprocreg" get a --node a@127.0.0.1

# Wrong: unreachable, with the reason; the node has one line about it and lives on.
printf 'wrong' >"$dir/wrong"
expect_exit 3 "$nprocreg" get a --node a@127.0.0.1 --cookie-file "$dir/wrong"
expect_err 'cookie'
expect_exit 1 "$nprocreg" get a --node a@127.0.0.1
grep -q 'cookie' "$dir/a.log" || fail "the node's log does not tell of the wrong cookie"
: >"$dir/empty"
expect_exit 2 "$nprocreg" get a --node a@127.0.0.1 --cookie-file "$dir/empty"
done_testing
