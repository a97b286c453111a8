%% The activations of a key, as other nodes see them: their tokens, and restarts.
-module(interop_activations).
-export([cluster/0, cases/0]).

-include("interop.hrl").

cluster() ->
    [{a, erlang}, {n1, native}].

cases() ->
    [{"each activation has a token above the one before", fun tokens/0},
     {"a permanent process is there again when a call has ended it", fun permanent/0},
     {"a permanent process that is killed too often is let go", fun too_often/0},
     {"a peer of an older version is refused", fun older_versions/0}].

native() ->
    interop_cluster:name(n1).

ask(Function, Arguments) ->
    Native = native(),
    ?ON(a, erpc:call(Native, nprocreg_native, Function, Arguments)).

key() ->
    [Key] = interop_keys:fresh(native(), interop_cluster:names(interop_cluster:members()), 1),
    Key.

get_native(Key) ->
    ask(get, [Key, fun counter:start/0, 5000]).

tokens() ->
    Key = key(),
    ?EQUAL(undefined, ask(lookup, [Key])),
    {ok, Pid, true, First} = get_native(Key),
    ?TRUE(abs(First - erlang:system_time(microsecond)) < 600 * 1000000),
    ?EQUAL({ok, Pid, false, First}, get_native(Key)),
    ?EQUAL({ok, Pid, First}, ask(lookup, [Key])),
    ?EQUAL(Pid, ?ON(a, nprocreg:get_pid(Key))),
    ?EQUAL(ok, ?ON(a, gen_server:call(Pid, stop))),
    ?EVENTUALLY(undefined, ask(lookup, [Key])),
    {ok, _, true, Second} = get_native(Key),
    ?TRUE(Second > First).

%% The next get, from Erlang, gives another live one.  Would catch: the dead pid, or none, from the
%% lookups that the original makes.
permanent() ->
    Key = key(),
    First = ?ON(a, nprocreg:get_pid(Key, fun counter:permanent/0)),
    ?EQUAL(7, ?ON(a, gen_server:call(First, {add, 7}))),
    Last = lists:foldl(
             fun(Reason, Pid) ->
                     ?EQUAL(Reason, ?ON(a, try gen_server:call(Pid, {crash, Reason})
                                           catch exit:{R, _} -> R
                                           end)),
                     Next = ?ON(a, nprocreg:get_pid(Key)),
                     ?TRUE(is_pid(Next) andalso Next =/= Pid),
                     ?EQUAL(0, ?ON(a, gen_server:call(Next, get))),
                     ?EQUAL(Next, ?ON(a, nprocreg:get_pid(Key, fun counter:permanent/0))),
                     Next
             end, First, [boom, normal]),
    ?EQUAL(Last, ?ON(a, nprocreg:get_pid(Key))).

%% Killed again and again; how often is enough depends on how fast this machine is.
too_often() ->
    Key = key(),
    ?TRUE(kill_under(Key, ?ON(a, nprocreg:get_pid(Key, fun counter:permanent/0)), 0) >= 4),
    ?EQUAL(undefined, ?ON(a, nprocreg:get_pid(Key))).

%% Until there is no other one: how often that was.
kill_under(Key, Pid, Count) when Count < 100 ->
    ?EQUAL(killed, ?ON(a, begin
                              Ref = monitor(process, Pid),
                              exit(Pid, kill),
                              receive {'DOWN', Ref, process, Pid, Reason} -> Reason end
                          end)),
    case ?ON(a, nprocreg:get_pid(Key)) of
        undefined -> Count + 1;
        Next -> kill_under(Key, Next, Count + 1)
    end.

start_as_peer(Key) ->
    Native = native(),
    ?ON(a, erpc:call(Native, nprocreg_native, start,
                     [Key, fun counter:start/0, self(), 5000])).

%% Would catch: a node of an older protocol that is taken for one that agrees.
older_versions() ->
    Native = native(),
    [?EQUAL(down, ?ON(a, begin
                             net_kernel:connect_node(Native),
                             monitor_node(Native, true),
                             {nprocreg_native, Native} ! {hello, Version, node(), 25},
                             receive {nodedown, Native} -> down after 5000 -> up end
                         end)) || Version <- [1, 2]],
    interop_cluster:settle(),
    {ok, _, true, Token} = start_as_peer(key()),
    ?TRUE(is_integer(Token)).
