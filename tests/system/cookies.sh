#!/bin/sh
# Cookies by Erlang's conventions, and what a wrong one gets.
. "$(dirname "$0")/lib.sh"
HOME=$dir/home
export HOME
unset XDG_CONFIG_HOME
mkdir "$HOME"

# None: one is made, as Erlang makes it.
expect_exit 3 "$nprocreg" get a --node a@127.0.0.1
grep -qE '^[A-Z]{20}$' "$HOME/.erlang.cookie" || fail "no cookie of twenty capitals was made"
[ "$(stat -c %a "$HOME/.erlang.cookie")" = 400 ] || fail "the new cookie can be read by others"

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
