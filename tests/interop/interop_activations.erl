%% The activations of a key, as other nodes see them: their tokens.
-module(interop_activations).
-export([cluster/0, cases/0]).

-include("interop.hrl").

cluster() ->
    [{a, erlang}, {n1, native}].

cases() ->
    [{"each activation has a token above the one before", fun tokens/0},
     {"a peer of version 1 is understood, and told no token", fun version_1/0}].

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

%% Greets as a native node of that version would, from the Erlang node.
greet(Version) ->
    Native = native(),
    ?ON(a, {nprocreg_native, Native} ! {hello, Version, node(), 25}).

start_as_peer(Key) ->
    Native = native(),
    ?ON(a, erpc:call(Native, nprocreg_native, start,
                     [Key, fun counter:start/0, self(), 5000])).

%% Would catch: an answer that an older node takes for none.
version_1() ->
    Native = native(),
    greet(1),
    {ok, Pid, true} = start_as_peer(key()),
    ?EQUAL(Native, node(Pid)),
    greet(2),
    {ok, _, true, Token} = start_as_peer(key()),
    ?TRUE(is_integer(Token)),
    ?ON(a, erlang:disconnect_node(Native)),
    interop_cluster:settle().
