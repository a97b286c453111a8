%% Nodes that die, hang, come back, or are no friends.  Each case leaves the cluster whole.
-module(interop_faults).
-export([cluster/0, cases/0]).

-include("interop.hrl").

%% A start waits once, for at most a second, for an original node that hangs; the rest is for a busy
%% machine.  A node that waits for each key anew would need 50 seconds for 50 keys.
-define(FIRST_MS_MAX, 4000).
-define(REST_MS_MAX, 10000).

cluster() ->
    [{a, erlang}, {b, erlang}, {n1, native}, {n2, native}].

cases() ->
    [{"a native node is killed: monitors and links fire, its keys start again",
      fun native_killed/0},
     {"a native node starts again under the same name", fun native_restarts/0},
     {"an Erlang node is killed: its entries go, its keys start again", fun erlang_killed/0},
     {"an Erlang node starts again under the same name", fun erlang_restarts/0},
     {"a native node that ends on request leaves at once", fun native_stopped/0},
     {"a connection that is cut comes back", fun connection_cut/0},
     {"an Erlang node that hangs delays no key of native nodes", fun erlang_hangs/0},
     {"an Erlang node with a wrong cookie gets no connection", fun wrong_cookie/0},
     {"a native node with a wrong cookie gets no connection", fun wrong_cookie_of_native/0},
     {"bytes that are no handshake end that connection only", fun garbage/0},
     {"an Erlang node that stops its registry is done without, and taken up again",
      fun application_restarts/0}].

names(Shorts) ->
    interop_cluster:names(Shorts).

members() ->
    names(interop_cluster:members()).

%% Pids of Count fresh keys of Owner: [{Key, Pid}].
started(Owner, Count) ->
    Keys = interop_keys:fresh(interop_cluster:name(Owner), members(), Count),
    ?ON(a, [{Key, nprocreg:get_pid(Key, fun counter:start/0)} || Key <- Keys]).

%% For a second the original still believes in a node that is gone, and its calls fail: so callers
%% try again.
starts_again(Short, Keys, Gone) ->
    [begin
         ?EVENTUALLY({Key, true},
                     {Key, is_pid(?ON(Short, nprocreg:get_pid(Key, fun counter:start/0)))}),
         Pid = ?ON(Short, nprocreg:get_pid(Key)),
         ?TRUE(node(Pid) =/= interop_cluster:name(Gone)),
         [?EVENTUALLY({Key, Pid}, {Key, ?ON(a, rpc:call(Node, nprocreg, get_pid, [Key]))})
          || Node <- members(), Node =/= interop_cluster:name(Gone)]
     end || Key <- Keys].

%% What a process on a sees of Pids' ends: the reasons of monitors and links, asked for later.
observer(Pids) ->
    ?ON(a, spawn(fun() ->
                     process_flag(trap_exit, true),
                     Refs = [begin link(Pid), {Pid, monitor(process, Pid)} end || Pid <- Pids],
                     receive {report_to, Process} -> ok end,
                     Downs = [interop_check:down(Ref, Pid) || {Pid, Ref} <- Refs],
                     Exits = [receive {'EXIT', Pid, Reason} -> Reason after 10000 -> silence end
                              || Pid <- Pids],
                     Process ! {report, Downs, Exits}
                 end)).

report(Observer) ->
    ?ON(a, begin
               Observer ! {report_to, self()},
               receive {report, Downs, Exits} -> {lists:usort(Downs), lists:usort(Exits)}
               after 60000 -> silence
               end
           end).

native_killed() ->
    Lost = started(n1, 20),
    Kept = started(n2, 20),
    Observer = observer([Pid || {_, Pid} <- Lost]),
    ?EQUAL(20, ?ON(a, lists:sum([gen_server:call(Pid, {add, 1}) || {_, Pid} <- Lost]))),
    interop_cluster:kill(n1),
    ?EQUAL({[noconnection], [noconnection]}, report(Observer)),
    [?EVENTUALLY({Key, undefined}, {Key, ?ON(a, rpc:call(Node, nprocreg, get_pid, [Key]))})
     || Node <- names([b, n2]), {Key, _} <- Lost],
    starts_again(b, [Key || {Key, _} <- Lost], n1),
    [?EQUAL({Key, Pid}, {Key, ?ON(b, nprocreg:get_pid(Key))}) || {Key, Pid} <- Kept],
    interop_cluster:restart(n1),
    interop_cluster:settle().

%% Nothing of the former incarnation may be taken for the present one, not even when a process has
%% the number that another had there.
native_restarts() ->
    [{Key, Old}] = started(n1, 1),
    interop_cluster:kill(n1),
    interop_cluster:restart(n1),
    interop_cluster:settle(),
    ?EQUAL(undefined, ?ON(b, nprocreg:get_pid(Key))),
    New = ?ON(b, nprocreg:get_pid(Key, fun counter:start/0)),
    ?EQUAL(interop_cluster:name(n1), node(New)),
    ?TRUE(New =/= Old),
    [begin
         ?EQUAL(noproc, ?ON(a, interop_check:down(monitor(process, Dead), Dead))),
         ?EQUAL(false, ?ON(a, rpc:call(node(Dead), erlang, is_process_alive, [Dead]))),
         ?ON(a, begin exit(Dead, kill), gen_server:cast(Dead, inc) end),
         ?EQUAL(0, ?ON(a, gen_server:call(New, get)))
     end || Dead <- [Old, with_creation_of(Old, New)]],
    ?EQUAL(New, ?ON(a, rpc:call(interop_cluster:name(n2), nprocreg, get_pid, [Key]))).

%% Pid with the incarnation of Former: the last four bytes of its encoding.
with_creation_of(Former, Pid) ->
    Bytes = term_to_binary(Pid),
    Creation = binary:part(term_to_binary(Former), byte_size(term_to_binary(Former)), -4),
    binary_to_term(<<(binary:part(Bytes, 0, byte_size(Bytes) - 4))/binary, Creation/binary>>).

erlang_killed() ->
    Lost = started(b, 10),
    [{_, Linked}] = started(n1, 1),
    Registered = [interop_keys:fresh(registered) || _ <- lists:seq(1, 5)],
    Pids = ?ON(b, [spawn(fun() -> receive stop -> ok end end) || _ <- Registered]),
    Keeper = interop_cluster:name(n1),
    Count = fun() -> ?ON(a, gen_server:call({nprocreg, Keeper}, get_status)) end,
    Before = Count(),
    [?ON(b, gen_server:cast({nprocreg, Keeper}, {register_pid, Key, Pid}))
     || {Key, Pid} <- lists:zip(Registered, Pids)],
    ?EVENTUALLY(Before + 5, Count()),
    ?ON(b, spawn(fun() -> link(Linked), receive stop -> ok end end)),
    %% A round trip behind the link, so that it is there when b dies.
    ?EQUAL(0, ?ON(b, gen_server:call(Linked, get))),
    interop_cluster:kill(b),
    %% The process linked to one of b's goes with it.
    ?EVENTUALLY(Before - 1, Count()),
    [?EVENTUALLY({Key, undefined},
                 {Key, ?ON(a, rpc:call(Keeper, nprocreg, get_pid, [Key]))}) || Key <- Registered],
    starts_again(a, [Key || {Key, _} <- Lost], b),
    interop_cluster:restart(b),
    interop_cluster:settle().

%% It connects to a; that the native nodes come back to it is theirs to see to.
erlang_restarts() ->
    interop_cluster:kill(b),
    interop_cluster:restart(b),
    interop_cluster:settle(),
    [{Key, Pid}] = started(b, 1),
    ?EQUAL(interop_cluster:name(b), node(Pid)),
    [?EQUAL({Node, Pid}, {Node, ?ON(a, rpc:call(Node, nprocreg, get_pid, [Key]))})
     || Node <- members()].

native_stopped() ->
    Lost = started(n2, 5),
    Observer = observer([Pid || {_, Pid} <- Lost]),
    ?EQUAL(0, interop_cluster:stop_node(n2)),
    {[Down], [Exit]} = report(Observer),
    ?EQUAL({true, true}, {lists:member(Down, [shutdown, noconnection]),
                          lists:member(Exit, [shutdown, noconnection])}),
    starts_again(b, [Key || {Key, _} <- Lost], n2),
    interop_cluster:restart(n2),
    interop_cluster:settle().

connection_cut() ->
    Native = interop_cluster:name(n1),
    [{Key, Pid}, {Unlinked, Survivor}] = started(n1, 2),
    Observer = observer([Pid]),
    ?EQUAL(0, ?ON(a, begin link(Survivor), unlink(Survivor), gen_server:call(Survivor, get) end)),
    ?EQUAL(true, ?ON(a, erlang:disconnect_node(Native))),
    ?EQUAL({[noconnection], [noconnection]}, report(Observer)),
    ?EVENTUALLY(true, ?ON(a, lists:member(Native, nodes(hidden)))),
    interop_cluster:settle(),
    %% The link from a had it exit, as between Erlang nodes; so it starts again, once.
    New = ?ON(a, nprocreg:get_pid(Key, fun counter:start/0)),
    ?TRUE(New =/= Pid),
    ?EQUAL(New, ?ON(b, nprocreg:get_pid(Key))),
    ?EQUAL(0, ?ON(a, gen_server:call(New, get))),
    ?EQUAL(Survivor, ?ON(a, nprocreg:get_pid(Unlinked))).

%% Only the native nodes are asked: an original itself waits for the one that hangs.
erlang_hangs() ->
    Keys = lists:append([interop_keys:fresh(Node, members(), 25) || Node <- names([n1, n2])]),
    Known = [Key || {Key, _} <- started(n1, 25) ++ started(n2, 25)],
    Starts = [{Key, [Key, fun counter:start/0]} || Key <- Keys],
    Lookups = [{Key, [Key]} || Key <- Known],
    Times = interop_cluster:while_stopped(
              b, fun() -> ?ON(a, [{Node, [timed_get_pid(Node, Key, Arguments)
                                          || {Key, Arguments} <- Starts ++ Lookups]}
                                  || Node <- names([n1, n2])])
                 end),
    ?EQUAL([], [{Node, Not} || {Node, Found} <- Times, Not = {_, _, Pid} <- Found,
                               not is_pid(Pid)]),
    [begin
         ?EQUAL({Node, []}, {Node, [Ms || {Ms, _, _} <- Found, Ms > ?FIRST_MS_MAX]}),
         ?TRUE(lists:sum([Ms || {Ms, _, _} <- Found]) < ?REST_MS_MAX)
     end || {Node, Found} <- Times],
    interop_cluster:settle(),
    [?EQUAL({Key, Pid}, {Key, ?ON(b, nprocreg:get_pid(Key))})
     || {_, Found} <- Times, {_, Key, Pid} <- Found].

timed_get_pid(Node, Key, Arguments) ->
    {Us, Result} = timer:tc(fun() -> rpc:call(Node, nprocreg, get_pid, Arguments) end),
    {Us div 1000, Key, Result}.

%% A node of its own, outside of the cluster.
wrong_cookie() ->
    Native = atom_to_list(interop_cluster:name(n1)),
    Says = "io:format(\"~p\", [net_adm:ping('" ++ Native ++ "')]), halt().",
    Child = interop_child:start(os:getenv("NPROCREG_CHILD"), interop_cluster:in_directory("w.log"),
                                [os:find_executable("erl"), "-noinput", "-name", "w@127.0.0.1",
                                 "-start_epmd", "false", "-setcookie", "wrong", "-eval", Says],
                                interop_cluster:environment()),
    ?EQUAL(0, interop_child:wait_exit(Child, 60000)),
    {match, _} = re:run(interop_child:log(Child), "pang$"),
    ?EQUAL(pong, ?ON(a, net_adm:ping(interop_cluster:name(n1)))).

%% The Erlang node logs that somebody tried, and nothing more; the native node goes on trying.
wrong_cookie_of_native() ->
    Log = interop_cluster:in_directory("x.log"),
    Child = interop_child:start(os:getenv("NPROCREG_CHILD"), Log,
                                [os:getenv("NPROCREG_COMMAND"), "node", "--name", "x@127.0.0.1",
                                 "--cookie-file", interop_cluster:in_directory("wrong.cookie"),
                                 "--join", "a@127.0.0.1"],
                                interop_cluster:environment()),
    ?EVENTUALLY(true, interop_cluster:take_errors([a]) =/= []),
    ?EQUAL(false, ?ON(a, lists:member('x@127.0.0.1', nodes(connected)))),
    ?EQUAL(false, interop_child:exited(Child)),
    interop_child:signal(Child, "TERM"),
    ?EQUAL(0, interop_child:wait_exit(Child, 20000)),
    interop_cluster:take_errors([a]),
    ok.

garbage() ->
    {port, Port, _} = ?ON(a, erl_epmd:port_please("n1", {127, 0, 0, 1})),
    Sockets = [begin
                   {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
                   _ = gen_tcp:send(Socket, Bytes),
                   {Bytes, Socket}
               end || Bytes <- [<<"GET / HTTP/1.1\r\n\r\n">>, <<0, 0>>, <<0, 1, $N>>,
                                <<255, 255, 0>>, <<0, 1, 0>>, <<>>,
                                binary:copy(<<0, 7, "rubbish">>, 1000)]],
    ?EQUAL(pong, ?ON(a, net_adm:ping(interop_cluster:name(n1)))),
    [?EQUAL({Bytes, closed}, {Bytes, read_to_end(Socket)}) || {Bytes, Socket} <- Sockets],
    ?EQUAL(pong, ?ON(b, net_adm:ping(interop_cluster:name(n1)))).

%% The handshake has 7 seconds; whoever has said nothing useful by then is sent away.
read_to_end(Socket) ->
    case gen_tcp:recv(Socket, 0, 20000) of
        {ok, _} -> read_to_end(Socket);
        {error, econnreset} -> closed;
        {error, Reason} -> Reason
    end.

application_restarts() ->
    ?ON(b, application:stop(nprocreg)),
    [{Key, Pid}] = started_through_native(),
    ?ON(b, {ok, _} = application:ensure_all_started(nprocreg)),
    interop_cluster:settle(),
    ?EQUAL(Pid, ?ON(b, nprocreg:get_pid(Key))),
    interop_cluster:take_errors([a, b]),
    ok.

%% While b has no registry, b's answers are refusals, which are not waited for.
started_through_native() ->
    [Key] = interop_keys:fresh(interop_cluster:name(n1), members(), 1),
    Pid = ?ON(a, rpc:call(interop_cluster:name(n1), nprocreg, get_pid,
                          [Key, fun counter:start/0])),
    ?TRUE(is_pid(Pid)),
    [{Key, Pid}].
