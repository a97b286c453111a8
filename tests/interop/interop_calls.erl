%% Every call of the original, from Erlang, with keys that each side owns.
-module(interop_calls).
-export([cluster/0, cases/0]).

-include("interop.hrl").

cluster() ->
    [{a, erlang}, {b, erlang}, {n1, native}, {n2, native}].

cases() ->
    [{"a key of every type starts on its owner and is found from every node",
      fun every_type_on_every_owner/0},
     {"1,000 mixed keys are placed alike by all", fun thousand_keys_placed_alike/0},
     {"keys that are not =:= are different keys", fun exact_keys/0},
     {"keys at the edges of what a term can be", fun extreme_keys/0},
     {"keys that nodes could not agree on are refused", fun refused_keys/0},
     {"a lookup starts nothing", fun lookup_starts_nothing/0},
     {"get_status counts the entries of its node", fun status_counts/0},
     {"get_nodes names all, each node once", fun nodes_named_once/0},
     {"a pid registered on any node is found from all, until unregistered", fun register_pid/0},
     {"a registered pid's death removes its entries, all of them", fun death_removes_entries/0},
     {"an entry outlives the pid that it named before", fun entry_outlives_former_pid/0},
     {"net_adm:ping", fun ping/0},
     {"native nodes are hidden", fun hidden/0},
     {"rpc of what a node must know, undef for the rest", fun rpc/0},
     {"erpc raises as it does between Erlang nodes", fun erpc/0},
     {"rex answers calls of the old manner", fun rex/0},
     {"calls to names that nobody has end with noproc", fun unknown_names/0},
     {"a request that nprocreg does not know", fun unknown_requests/0},
     {"a start of what is no function", fun start_of_no_function/0},
     {"messages of 3 MB, both ways", fun large_messages/0}].

%% get_pid on any node, native or not, asked for through the Erlang node a.
get_pid(Short, Key) ->
    Name = interop_cluster:name(Short),
    ?ON(a, rpc:call(Name, nprocreg, get_pid, [Key])).

start(Short, Key) ->
    Name = interop_cluster:name(Short),
    ?ON(a, rpc:call(Name, nprocreg, get_pid, [Key, fun counter:start/0])).

members() ->
    interop_cluster:names(interop_cluster:members()).

every_type_on_every_owner() ->
    Members = members(),
    Keys = [{Owner, Type, Key} || Owner <- Members,
                                  {Type, Key} <- interop_keys:mixed_owned(Owner, Members)],
    Found = ?ON(a, [{Owner, Type, Key, catch nprocreg:get_pid(Key, fun counter:start/0)}
                    || {Owner, Type, Key} <- Keys]),
    ?EQUAL([], [Wrong || Wrong = {Owner, _, _, Pid} <- Found,
                         not is_pid(Pid) orelse node(Pid) =/= Owner]),
    ?EQUAL([], ?ON(b, [{Node, Type, Key, Pid, Other}
                       || Node <- Members, {_, Type, Key, Pid} <- Found,
                          (Other = rpc:call(Node, nprocreg, get_pid, [Key])) =/= Pid])),
    ?EQUAL([], ?ON(b, [{Type, Key} || {Owner, Type, Key, Pid} <- Found,
                                      gen_server:call(Pid, where) =/= Owner])),
    ?ON(b, [gen_server:call(Pid, stop) || {_, _, _, Pid} <- Found]).

%% A quarter of the keys is asked for through each node.
thousand_keys_placed_alike() ->
    Members = members(),
    Keys = lists:sublist(interop_keys:mixed(lists:seq(1000, 1040)), 1000),
    ?EQUAL(1000, length(lists:usort(Keys))),
    Asked = lists:zip(Keys, lists:append(lists:duplicate(250, Members))),
    Found = ?ON(a, [{Node, Key, rpc:call(Node, nprocreg, get_pid, [Key, fun counter:start/0])}
                    || {Key, Node} <- Asked]),
    ?EQUAL([], [{Wrong, interop_keys:owner(Key, Members)}
                || Wrong = {_, Key, Pid} <- Found,
                   not is_pid(Pid) orelse node(Pid) =/= interop_keys:owner(Key, Members)]),
    ?EQUAL(1000, length(lists:usort([Pid || {_, _, Pid} <- Found]))),
    ?ON(b, [gen_server:call(Pid, stop) || {_, _, Pid} <- Found]).

exact_keys() ->
    Keys = [1, 1.0, a, "a", <<"a">>, [a], {a}, #{a => 1}, #{a => 1.0}, [], {}, <<>>, #{}, '',
            "1", [1], [1.0], <<1>>, <<1:1>>, <<1:2>>, [[]], {[]}, {{}}],
    each_has_its_own_process(Keys).

%% At the edges of the external term format's forms.
extreme_keys() ->
    each_has_its_own_process(
      [list_to_atom(lists:duplicate(255, $x)), list_to_atom(lists:duplicate(255, 955)),
       list_to_atom(lists:duplicate(127, 955)), list_to_atom(lists:duplicate(128, 955)),
       lists:duplicate(60000, $x), lists:duplicate(10000, 256), binary:copy(<<"x">>, 65000),
       1 bsl (8 * 255) - 1, 1 bsl (8 * 255), -(1 bsl (8 * 255)),
       255, 256, -1, 1 bsl 31 - 1, 1 bsl 31, -(1 bsl 31), -(1 bsl 31) - 1, 1 bsl 59, 1 bsl 60,
       list_to_tuple(lists:seq(1, 255)), list_to_tuple(lists:seq(1, 256)),
       maps:from_list([{N, N} || N <- lists:seq(1, 32)]),
       lists:foldl(fun(N, Inner) -> [N, {Inner}] end, [], lists:seq(1, 500)),
       1.7976931348623157e308, 5.0e-324, fun lists:map/2, fun erlang:'+'/2]).

each_has_its_own_process(Keys) ->
    Pids = [start(lists:nth(N rem 4 + 1, interop_cluster:members()), Key)
            || {N, Key} <- lists:enumerate(Keys)],
    ?EQUAL(length(Keys), length(lists:usort([Pid || Pid <- Pids, is_pid(Pid)]))),
    [?EQUAL({Short, Key, Pid}, {Short, Key, get_pid(Short, Key)})
     || {Key, Pid} <- lists:zip(Keys, Pids), Short <- interop_cluster:members()],
    ?ON(a, [gen_server:call(Pid, stop) || Pid <- Pids]).

%% Over 64 KiB, and maps whose encoding differs from node to node: a native owner says no at once.
refused_keys() ->
    Native = interop_cluster:name(n1),
    [begin
         Key = hd([K || N <- lists:seq(1, 100), K <- [Make(N)],
                        interop_keys:owner(K, members()) =:= Native]),
         {nprocreg_error, einval, Text} =
             ?ON(a, try nprocreg:get_pid(Key, fun counter:start/0) catch exit:{Why, _} -> Why end),
         ?TRUE(is_binary(Text)),
         ?EQUAL(undefined, ?ON(a, nprocreg:get_pid(Key)))
     end || Make <- [fun(N) -> {N, binary:copy(<<"x">>, 65536)} end,
                     fun(N) -> {N, maps:from_list([{I, I} || I <- lists:seq(1, 33)])} end]].

lookup_starts_nothing() ->
    Before = statuses(),
    [?EQUAL({Short, undefined}, {Short, get_pid(Short, Key)})
     || Owner <- members(), Short <- interop_cluster:members(),
        Key <- interop_keys:fresh(Owner, members(), 3)],
    ?EQUAL(Before, statuses()).

%% Entries of dead processes go soon after them, not before the caller's next call: hence the waits
%% of those who compare.
statuses() ->
    ?ON(a, [{Node, gen_server:call({nprocreg, Node}, get_status)}
            || Node <- [node() | nodes(connected)]]).

status_counts() ->
    Members = members(),
    [begin
         Count = fun() -> ?ON(a, gen_server:call({nprocreg, Owner}, get_status)) end,
         ?EVENTUALLY(0, Count()),
         Pids = [start(Short, Key) || Short <- interop_cluster:members(),
                                      Key <- interop_keys:fresh(Owner, Members, 5)],
         ?EQUAL({Owner, 20}, {Owner, Count()}),
         ?ON(b, [gen_server:call(Pid, stop) || Pid <- Pids]),
         ?EVENTUALLY({Owner, 0}, {Owner, Count()})
     end || Owner <- Members].

nodes_named_once() ->
    Members = lists:sort(members()),
    [?EQUAL({Short, Node, Members},
            {Short, Node, ?ON(Short, lists:sort(gen_server:call({nprocreg, Node}, get_nodes)))})
     || Short <- [a, b], Node <- Members].

%% The entry is in the table of the node that was asked to keep it, whoever owns the key.
register_pid() ->
    Members = members(),
    [begin
         Pid = ?ON(a, spawn(fun() -> receive stop -> ok end end)),
         [Key] = interop_keys:fresh(Owner, Members, 1),
         ?ON(b, gen_server:cast({nprocreg, Keeper}, {register_pid, Key, Pid})),
         [?EVENTUALLY({Owner, Keeper, Pid}, {Owner, Keeper, get_pid(Short, Key)})
          || Short <- interop_cluster:members()],
         ?EQUAL([{Key, Pid}], ?ON(b, rpc:call(Keeper, ets, lookup, [nprocreg_data, Key]))),
         [?EQUAL({Short, Pid}, {Short, start(Short, Key)}) || Short <- interop_cluster:members()],
         ?ON(b, gen_server:cast({nprocreg, Keeper}, {unregister_key, Key})),
         [?EVENTUALLY({Owner, Keeper, undefined}, {Owner, Keeper, get_pid(Short, Key)})
          || Short <- interop_cluster:members()],
         Pid ! stop
     end || Owner <- Members, Keeper <- Members].

%% The original forgets only one of the keys, so its nodes are not asked.
death_removes_entries() ->
    [begin
         Pid = ?ON(a, spawn(fun() -> receive stop -> ok end end)),
         Keys = [interop_keys:fresh(two) || _ <- [1, 2]],
         ?ON(a, [gen_server:cast({nprocreg, interop_cluster:name(Keeper)}, {register_pid, Key, Pid})
                 || Key <- Keys]),
         [?EVENTUALLY(Pid, get_pid(a, Key)) || Key <- Keys],
         ?ON(a, Pid ! stop),
         [?EVENTUALLY(undefined, get_pid(a, Key)) || Key <- Keys]
     end || Keeper <- interop_cluster:natives()].

entry_outlives_former_pid() ->
    [begin
         Node = interop_cluster:name(Keeper),
         [First, Second] = ?ON(a, [spawn(fun() -> receive stop -> ok end end) || _ <- [1, 2]]),
         Key = interop_keys:fresh(former),
         Other = interop_keys:fresh(former),
         ?ON(a, [gen_server:cast({nprocreg, Node}, {register_pid, K, P})
                 || {K, P} <- [{Key, First}, {Other, First}, {Key, Second}]]),
         ?EVENTUALLY(Second, get_pid(a, Key)),
         ?ON(a, First ! stop),
         ?EVENTUALLY(undefined, get_pid(a, Other)), % The death of the first has been seen.
         ?EQUAL(Second, get_pid(a, Key)),
         ?ON(a, Second ! stop)
     end || Keeper <- interop_cluster:natives()].

ping() ->
    [?EQUAL({Short, Node, pong}, {Short, Node, ?ON(Short, net_adm:ping(Node))})
     || Short <- [a, b], Node <- members()].

hidden() ->
    Natives = interop_cluster:names(interop_cluster:natives()),
    [begin
         ?EQUAL([], ?ON(Short, [Node || Node <- Natives, lists:member(Node, nodes())])),
         ?EQUAL([], ?ON(Short, Natives -- nodes(hidden)))
     end || Short <- interop_cluster:erlangs()].

rpc() ->
    Missing = interop_keys:fresh(missing),
    [begin
         ?EQUAL(Node, ?ON(a, rpc:call(Node, erlang, node, []))),
         ?TRUE(?ON(a, lists:member(node(), rpc:call(Node, erlang, nodes, [])))),
         Pid = start(a, Key = interop_keys:fresh(rpc)),
         ?EQUAL(Pid, ?ON(b, rpc:call(Node, nprocreg, get_pid, [Key]))),
         ?TRUE(?ON(b, rpc:call(node(Pid), erlang, is_process_alive, [Pid]))),
         ?ON(b, gen_server:call(Pid, stop)),
         ?EVENTUALLY(false, ?ON(b, rpc:call(node(Pid), erlang, is_process_alive, [Pid]))),
         ?EQUAL([], ?ON(a, rpc:call(Node, ets, lookup, [nprocreg_data, Missing]))),
         {badrpc, {'EXIT', {undef, [{nosuch, f, [1, x], _} | _]}}} =
             ?ON(a, rpc:call(Node, nosuch, f, [1, x])),
         {badrpc, {'EXIT', {undef, [{nprocreg, nosuch, [], _} | _]}}} =
             ?ON(a, rpc:call(Node, nprocreg, nosuch, [])),
         ?EQUAL(true, ?ON(a, rpc:cast(Node, erlang, node, []))),
         ?EQUAL({[Node], []}, ?ON(a, rpc:multicall([Node], erlang, node, []))),
         ?EQUAL(Node, ?ON(a, rpc:yield(rpc:async_call(Node, erlang, node, []))))
     end || Node <- interop_cluster:names([n1, n2])].

erpc() ->
    Node = interop_cluster:name(n1),
    ?EQUAL(Node, ?ON(a, erpc:call(Node, erlang, node, []))),
    ?EQUAL(Node, ?ON(a, erpc:call(Node, erlang, node, [], 5000))),
    {exception, undef, [{nosuch, f, [], _} | _]} =
        ?ON(a, try erpc:call(Node, nosuch, f, []) catch error:Error -> Error end),
    ?EQUAL([{ok, Node}, {ok, interop_cluster:name(n2)}],
           ?ON(a, erpc:multicall([Node, interop_cluster:name(n2)], erlang, node, []))).

%% What OTP 22 and older, and rpc:block_call, send to the server `rex`.
rex() ->
    Node = interop_cluster:name(n1),
    ?EQUAL(Node, ?ON(a, rpc:block_call(Node, erlang, node, []))),
    {badrpc, {'EXIT', {undef, _}}} = ?ON(a, rpc:block_call(Node, nosuch, f, [])),
    ?EQUAL(Node, ?ON(a, begin
                            {rex, Node} ! {self(), {call, erlang, node, [], group_leader()}},
                            receive {rex, Result} -> Result after 10000 -> silence end
                        end)).

unknown_names() ->
    [begin
         {noproc, _} = ?ON(a, try gen_server:call({nosuch, Node}, x) catch exit:R -> R end),
         ?EQUAL({nosuch, x}, ?ON(a, {nosuch, Node} ! {nosuch, x})),
         ?EQUAL(pong, ?ON(a, net_adm:ping(Node)))
     end || Node <- interop_cluster:names([n1, n2])].

%% A native node says no to them without a word in anybody's log; the original logs an error.
unknown_requests() ->
    [begin
         ?EQUAL(invalid_message, ?ON(a, gen_server:call({nprocreg, Node}, {no, such, request}))),
         ?ON(a, gen_server:cast({nprocreg, Node}, {no, such, cast})),
         ?ON(a, {nprocreg, Node} ! {no, such, message}),
         ?TRUE(is_integer(?ON(a, gen_server:call({nprocreg, Node}, get_status))))
     end || Node <- interop_cluster:names(interop_cluster:natives())].

%% It brings the original's server down, with all its entries.  Here the call fails, that is all.
start_of_no_function() ->
    [begin
         [Key, Kept] = interop_keys:fresh(interop_cluster:name(Short), members(), 2),
         Pid = start(a, Kept),
         [?EQUAL({NoFunction, failed},
                 {NoFunction, ?ON(a, try gen_server:call({nprocreg, node(Pid)},
                                                         {start_function, Key, NoFunction}) of
                                         Other -> Other
                                     catch exit:{Reason, _} when Reason =/= timeout -> failed
                                     end)})
          || NoFunction <- [notafun, undefined, [], 17, fun lists:reverse/1]],
         ?EQUAL(undefined, get_pid(a, Key)),
         ?EQUAL(Pid, get_pid(b, Kept)),
         ?ON(a, gen_server:call(Pid, stop))
     end || Short <- interop_cluster:natives()].

large_messages() ->
    [Key] = interop_keys:fresh(interop_cluster:name(n1), members(), 1),
    Pid = start(a, Key),
    ?EQUAL({error, unknown},
           ?ON(a, gen_server:call(Pid, {large, binary:copy(<<"large">>, 600000)}))),
    ?EQUAL(3000000, ?ON(a, begin
                               Ref = monitor(process, Pid),
                               Reason = binary:copy(<<"large">>, 600000),
                               catch gen_server:call(Pid, {crash, Reason}),
                              byte_size(interop_check:down(Ref, Pid))
                           end)),
    interop_cluster:take_errors(interop_cluster:erlangs() -- [a, b]).
