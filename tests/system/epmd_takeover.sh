#!/bin/sh
# The node that serves as epmd goes: another takes over, no name is lost, no name can be taken twice.
. "$(dirname "$0")/lib.sh"

start_node a
start_node b --join a@127.0.0.1
start_node c --join a@127.0.0.1
wait_for_view 3 a b c
expect_exit 5 "$nprocreg" node --name b@127.0.0.1 --cookie-file "$dir/cookie"
expect_err 'b@127.0.0.1'

kill -KILL "$(cat "$dir/a.pid")"
# The command finds nodes only by epmd: it works again when somebody has taken over.
wait_for_view 2 b c
expect_exit 5 "$nprocreg" node --name c@127.0.0.1 --cookie-file "$dir/cookie"

# Back under its name, at the new epmd; all find each other again.
start_node a --join c@127.0.0.1
wait_for_view 3 a b c
done_testing
