#!/bin/sh
# A node in the hands of a peer that misbehaves (hostile_peer.c), one way after another.  After
# each: the node serves old and new keys, its memory is bounded, its log has grown by few lines.
. "$(dirname "$0")/lib.sh"
hostile=$3
# Resident memory that the node may have after a case.  It has 64 MiB of limits to fill per peer.
rss_max_kb=${HOSTILE_RSS_MAX_KB:-262144}
log_lines_max=500

start_node a --queue-bytes-max 16777216
start_node b --join a@127.0.0.1
wait_for_view 2 a b
a_pid=$(cat "$dir/a.pid")
port=$(sed -n 's/^ready .* port=//p' "$dir/a.out")
probe=probe
victim=$(ask a@127.0.0.1 get "$probe" --start counter:start)
i=1
while [ "${victim#<a@}" = "$victim" ]; do # it is to live on a
    i=$((i + 1))
    probe="{probe,$i}"
    victim=$(ask a@127.0.0.1 get "$probe" --start counter:start)
done

rss_kb() {
    sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$a_pid/status"
}
reset_peak() {
    echo 5 2>/dev/null >"/proc/$a_pid/clear_refs" || :
}
peak_kb() {
    sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$a_pid/status"
}

fresh=0
serves() { # by a new connection and by one that was there
    fresh=$((fresh + 1))
    [ "$(ask a@127.0.0.1 get "$probe" --timeout 10s)" = "$victim" ] &&
        ask a@127.0.0.1 get "{fresh,$fresh}" --start counter:start --timeout 10s >/dev/null &&
        [ "$(ask b@127.0.0.1 get "$probe" --timeout 10s)" = "$victim" ]
}

check_node() { # check_node CASE
    kill -0 "$a_pid" 2>/dev/null || {
        fail "$1: the node is gone"
        exit 1
    }
    serves || fail "$1: the node does not serve"
    rss=$(rss_kb)
    peak=$(peak_kb)
    lines=$(($(wc -l <"$dir/a.log") - lines_before))
    [ "$peak" -le "$rss_max_kb" ] || fail "$1: $peak kB at its peak"
    [ "$lines" -le "$log_lines_max" ] || fail "$1: $lines lines in the log"
    echo "$1: $(($(date +%s) - began)) s, $rss kB resident, $peak kB at the peak, $lines log lines"
}

begin_case() {
    lines_before=$(wc -l <"$dir/a.log")
    began=$(date +%s)
    reset_peak
}

run_case() {
    [ -z "${HOSTILE_CASES:-}" ] || case " $HOSTILE_CASES " in *" $1 "*) ;; *) return ;; esac
    begin_case
    timeout 100 "$hostile" "$1" "$port" "$dir/cookie" "$victim" >"$dir/out" 2>&1 ||
        fail "$1: $(cat "$dir/out")"
    check_node "$1"
}

# Idle connections: who is connected is served, and so is who comes.
slow_loris() {
    begin_case
    mkfifo "$dir/hold"
    "$hostile" slow_loris "$port" "$dir/cookie" "$victim" <"$dir/hold" >"$dir/loris" 2>&1 &
    loris_pid=$!
    started_pids="$started_pids $loris_pid"
    exec 9>"$dir/hold"
    wait_until "idle connections are held" grep -q held "$dir/loris"
    check_node slow_loris
    exec 9>&-
    wait $loris_pid || fail "slow_loris: $(cat "$dir/loris")"
}

# While names of nodes that are not there come in, one that is there finds its place.
newcomer() {
    begin_case
    "$hostile" junk_names "$port" "$dir/cookie" "$victim" >"$dir/junk" 2>&1 &
    junk_pid=$!
    start_node c --join a@127.0.0.1
    wait_for_view 3 a b c
    wait $junk_pid || fail "junk_names: $(cat "$dir/junk")"
    check_node newcomer
}

for case in garbage wrong_cookies oversize promised_frames cut_frames deep_and_huge mutants \
    spawn_requests odd_calls monitors links exits foreign_senders victim_messages deaf_peer \
    junk_names listed_names registrations starts_never_answered \
    many_subscriptions false_news many_claims false_words; do
    run_case $case
done
slow_loris
newcomer
done_testing
