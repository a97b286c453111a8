# tests/system/lib.sh - sourced by each script: a folder of its own, an epmd port of its own, nodes that
# end with the script, and checks.  $1 is the command, $2 the counter module.
# shellcheck shell=sh disable=SC2034
set -u
nprocreg=$1
counter=$2
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
started_pids=""
failures=0

finish() {
    # A stopped process takes its SIGTERM only once it goes on.
    for pid in $started_pids; do
        kill -CONT "$pid" 2>/dev/null
        kill -KILL "$pid" 2>/dev/null
    done
    wait 2>/dev/null
    [ $failures -eq 0 ] || cat "$dir"/*.log 2>/dev/null
    rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' INT TERM

# A port that nobody listens on now.  Drawn from below the range that the kernel gives out by itself.
free_port() {
    seed=$$
    while :; do
        port=$(awk -v seed="$seed" 'BEGIN { srand(seed); print 10000 + int(rand() * 20000) }' </dev/null)
        grep -qi ":$(printf '%04x' "$port") " /proc/net/tcp /proc/net/tcp6 2>/dev/null || break
        seed=$((seed + 1))
    done
    echo "$port"
}

ERL_EPMD_PORT=$(free_port)
export ERL_EPMD_PORT
unset NPROCREG_NODE
umask 077
printf 'SYSTEM%s' "$$" >"$dir/cookie"

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# expect_exit CODE COMMAND...: runs it; output in $dir/out and $dir/err.
expect_exit() {
    expected=$1
    shift
    "$@" >"$dir/out" 2>"$dir/err"
    code=$?
    [ $code -eq "$expected" ] || fail "exit code $code instead of $expected: $*: $(cat "$dir/err")"
}

# expect_out PATTERN: the last output has a line that matches (basic regular expression).
expect_out() {
    grep -q -e "$1" "$dir/out" || fail "no line like '$1' in: $(cat "$dir/out")"
}

expect_err() {
    grep -q -e "$1" "$dir/err" || fail "no line like '$1' in: $(cat "$dir/err")"
}

# wait_until WHAT COMMAND...: polls for up to 20 s.
wait_until() {
    what=$1
    shift
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ $tries -gt 400 ]; then
            fail "in vain: waited until $what"
            exit 1
        fi
        sleep 0.05
    done
}

# start_node NAME [OPTION]...: a node a@127.0.0.1; its process is $node_pid, and in $dir/NAME.pid.
start_node() {
    name=$1
    shift
    "$nprocreg" node --name "$name@127.0.0.1" --cookie-file "$dir/cookie" --module "$counter" "$@" \
        >"$dir/$name.out" 2>"$dir/$name.log" &
    node_pid=$!
    echo $node_pid >"$dir/$name.pid"
    started_pids="$started_pids $node_pid"
    wait_until "node $name is ready" grep -q "^ready name=$name@127.0.0.1 port=[0-9]*$" "$dir/$name.out"
}

# ask NODE COMMAND ARGUMENT...: the command against a node.
ask() {
    node=$1
    shift
    command=$1
    shift
    "$nprocreg" "$command" "$@" --node "$node" --cookie-file "$dir/cookie"
}

sees() { # sees NODE COUNT: that many nodes are in its view
    [ "$(ask "$1@127.0.0.1" nodes | wc -l)" -eq "$2" ]
}

wait_for_view() { # wait_for_view COUNT NODE...
    size=$1
    shift
    for node_name in "$@"; do
        wait_until "$node_name sees $size nodes" sees "$node_name" "$size"
    done
}

done_testing() {
    [ $failures -eq 0 ] || exit 1
    echo "ok"
    exit 0
}
