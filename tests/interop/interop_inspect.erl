%% What a native node tells of its processes, to Erlang callers and to the command.
-module(interop_inspect).
-export([cluster/0, cases/0]).

-include("interop.hrl").

-define(MANY, 20000). % more than are looked at in one turn of the loop

cluster() ->
    [{a, erlang}, {n1, native}].

cases() ->
    [{"processes/0 gives the pids of all, here as there", fun pids/0},
     {"processes/1 gives figures, sorted and limited", fun figures/0},
     {"processes/1 takes nothing but its options", fun wrong_options/0},
     {"info/1 tells of one process what it has done", fun info/0},
     {"info/1 tells of keys", fun keys/0},
     {"info/1 of the dead, of others, of what is no pid", fun info_of_nobody/0},
     {"a suspended process says so", fun suspended/0},
     {"process_info/1,2 as Erlang has them", fun process_info_items/0},
     {"process_info: links and monitors, told by the process itself", fun relations/0},
     {"process_info of a built-in server", fun process_info_of_server/0}].

native() ->
    interop_cluster:name(n1).

ask(Module, Function, Arguments) ->
    Native = native(),
    ?ON(a, try erpc:call(Native, Module, Function, Arguments)
           catch error:{exception, Reason, _} -> {error, Reason}
           end).

spawn_native() ->
    Native = native(),
    ?ON(a, spawn(Native, counter, start, [])).

key() ->
    [Key] = interop_keys:fresh(native(), interop_cluster:names(interop_cluster:members()), 1),
    Key.

%% Its answer comes before it is gone.
stop(Pid) ->
    ?EQUAL(ok, ?ON(a, gen_server:call(Pid, stop))),
    ?EVENTUALLY(undefined, ask(nprocreg, info, [Pid])).

%% Would catch: pids left out, dead ones kept, and both names of the function not alike.
pids() ->
    ?EVENTUALLY([], ask(nprocreg, processes, [])),
    Native = native(),
    Pids = ?ON(a, [spawn(Native, counter, start, []) || _ <- lists:seq(1, ?MANY)]),
    ?EVENTUALLY(?MANY, ask(erlang, system_info, [process_count])),
    ?EVENTUALLY(true, Pids =:= ask(erlang, processes, [])),
    ?TRUE(Pids =:= ask(nprocreg, processes, [])),
    ?EQUAL(10000, length(ask(nprocreg, processes, [#{}]))),
    ?ON(a, [exit(Pid, kill) || Pid <- Pids]),
    ?EVENTUALLY([], ask(erlang, processes, [])).

%% Would catch: the wrong end of the order, a limit that is not kept.
figures() ->
    Pids = [spawn_native() || _ <- lists:seq(1, 20)],
    [?ON(a, [gen_server:cast(Pid, inc) || _ <- lists:seq(1, Count)])
     || {Count, Pid} <- lists:zip(lists:seq(1, 20), Pids)],
    [?EQUAL(Count, ?ON(a, gen_server:call(Pid, get)))
     || {Count, Pid} <- lists:zip(lists:seq(1, 20), Pids)],
    Busiest = lists:sublist(lists:reverse(Pids), 3),
    ?EQUAL([{Pid, Count} || {Pid, Count} <- lists:zip(Busiest, [21, 20, 19])],
           [{Pid, Count} || #{pid := Pid, handled := Count}
                                <- ask(nprocreg, processes, [#{sort => handled, limit => 3}])]),
    ?EQUAL(lists:sublist(Pids, 4),
           [Pid || #{pid := Pid} <- ask(nprocreg, processes, [#{limit => 4}])]),
    [?EQUAL({Sort, 20}, {Sort, length(ask(nprocreg, processes, [#{sort => Sort}]))})
     || Sort <- [pid, mailbox, handled, dropped, time_us, state_bytes, links]],
    [stop(Pid) || Pid <- Pids].

wrong_options() ->
    [?EQUAL({Options, {error, badarg}}, {Options, ask(nprocreg, processes, [Options])})
     || Options <- [[], all, #{limit => 0}, #{limit => 10001}, #{limit => all}, #{sort => name},
                    #{order => pid}]].

info() ->
    Pid = spawn_native(),
    Watcher = ?ON(a, spawn(fun() -> link(Pid), monitor(process, Pid), receive stop -> ok end end)),
    ?EQUAL(1, ?ON(a, gen_server:call(Pid, {add, 1}))),
    ?EVENTUALLY(#{pid => Pid, function => {counter, start, 0}, keys => [], names => [],
                  mailbox => 0, handled => 1, dropped => 0, state_bytes => 8, links => 2,
                  status => waiting},
                maps:remove(time_us, ask(nprocreg, info, [Pid]))),
    ?TRUE(is_integer(maps:get(time_us, ask(nprocreg, info, [Pid])))),
    ?ON(a, Watcher ! stop),
    stop(Pid).

keys() ->
    Keys = [key() || _ <- lists:seq(1, 5)],
    Pid = ?ON(a, nprocreg:get_pid(hd(Keys), fun counter:start/0)),
    [?ON(a, gen_server:cast({nprocreg, node(Pid)}, {register_pid, Key, Pid})) || Key <- tl(Keys)],
    ?EVENTUALLY(lists:sort(Keys), lists:sort(maps:get(keys, ask(nprocreg, info, [Pid])))),
    [#{keys := Listed}] = ask(nprocreg, processes, [#{limit => 1}]),
    ?TRUE(length(Listed) =:= 3 andalso Listed -- Keys =:= []),
    stop(Pid).

info_of_nobody() ->
    Pid = spawn_native(),
    stop(Pid),
    ?EQUAL(undefined, ask(erlang, process_info, [Pid])),
    ?EQUAL(undefined, ask(erlang, process_info, [Pid, status])),
    Elsewhere = ?ON(a, whereis(kernel_sup)),
    [?EQUAL({Wrong, {error, badarg}}, {Wrong, ask(Module, Function, [Wrong])})
     || Wrong <- [Elsewhere, pid, 1],
        {Module, Function} <- [{nprocreg, info}, {erlang, process_info}]].

suspended() ->
    Pid = spawn_native(),
    ?EQUAL(ok, ?ON(a, sys:suspend(Pid))),
    ?EQUAL({status, suspended}, ask(erlang, process_info, [Pid, status])),
    ?ON(a, [gen_server:cast(Pid, inc) || _ <- lists:seq(1, 7)]),
    ?EVENTUALLY(suspended, maps:get(status, ask(nprocreg, info, [Pid]))),
    ?EQUAL(ok, ?ON(a, sys:resume(Pid))),
    ?EVENTUALLY({status, waiting}, ask(erlang, process_info, [Pid, status])),
    stop(Pid).

process_info_items() ->
    Pid = spawn_native(),
    ?EQUAL(0, ?ON(a, gen_server:call(Pid, get))),
    ?EVENTUALLY([{initial_call, {counter, start, 0}}, {status, waiting}, {message_queue_len, 0}],
                ask(erlang, process_info, [Pid])),
    ?EQUAL({message_queue_len, 0}, ask(erlang, process_info, [Pid, message_queue_len])),
    ?EQUAL([], ask(erlang, process_info, [Pid, registered_name])),
    ?EQUAL([{status, waiting}, {registered_name, []}],
           ask(erlang, process_info, [Pid, [status, registered_name]])),
    ?EQUAL([], ask(erlang, process_info, [Pid, []])),
    [?EQUAL({Wrong, {error, badarg}}, {Wrong, ask(erlang, process_info, [Pid, Wrong])})
     || Wrong <- [nonsense, [nonsense], [status | status], "status"]],
    stop(Pid).

%% Would catch: the question's own monitor among the answers, links that were taken back, a suspended
%% process that does not answer.
relations() ->
    Native = native(),
    [Puppet, Blocking] = [?ON(a, spawn(Native, M, start, [])) || M <- [puppet, blocking]],
    [First, Second] = [?ON(a, spawn(fun() -> receive stop -> ok end end)) || _ <- "12"],
    Do = fun(Order) -> ?ON(a, gen_server:call(Puppet, Order)) end,
    Items = [links, monitors, monitored_by],
    [?EQUAL([{links, []}, {monitors, []}, {monitored_by, []}],
            ask(erlang, process_info, [Pid, Items])) || Pid <- [Puppet, Blocking]],
    [?EQUAL(ok, Do(Order)) || Order <- [{link, First}, {link, Second}, {unlink, First}]],
    {ok, _} = Do({monitor, First}),
    {ok, _} = Do({monitor, First}),
    Watcher = ?ON(a, interop_processes:watcher(Puppet)),
    ?EQUAL({error, unknown}, Do(hello)),
    ?EVENTUALLY({links, [Second]}, ask(erlang, process_info, [Puppet, links])),
    ?EQUAL({monitors, [{process, First}, {process, First}]},
           ask(erlang, process_info, [Puppet, monitors])),
    ?EQUAL(ok, ?ON(a, sys:suspend(Puppet))),
    ?EQUAL([{monitored_by, [Watcher]}, {status, suspended}, {links, [Second]}],
           ask(erlang, process_info, [Puppet, [monitored_by, status, links]])),
    ?EQUAL(ok, ?ON(a, sys:resume(Puppet))),
    ?EVENTUALLY(4, maps:get(links, ask(nprocreg, info, [Puppet]))),
    ?EQUAL({error, badarg}, ask(erlang, process_info, [Puppet, [links, nonsense]])),
    ?EQUAL({links, []}, ask(erlang, process_info, [ask(erlang, whereis, [nprocreg]), links])),
    ?ON(a, [Pid ! stop || Pid <- [First, Second]]),
    ?EQUAL(ok, ?ON(a, gen_server:stop(Puppet))),
    ?ON(a, exit(Blocking, kill)),
    ?EVENTUALLY({undefined, undefined}, {ask(erlang, process_info, [Puppet, links]),
                                         ask(erlang, process_info, [Blocking, links])}).

process_info_of_server() ->
    Server = ask(erlang, whereis, [nprocreg]),
    ?EQUAL({registered_name, nprocreg}, ask(erlang, process_info, [Server, registered_name])),
    ?EQUAL([nprocreg], maps:get(names, ask(nprocreg, info, [Server]))).
