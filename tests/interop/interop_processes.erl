%% Native processes as Erlang code knows processes: messages, calls, monitors, links, exits, spawns;
%% and what becomes of the functions that Erlang callers hand to a native owner.
-module(interop_processes).
-export([cluster/0, cases/0]).
-export([wait/0, watcher/1, reason_seen_by/1]).
-export([init/1, handle_call/3, handle_cast/2]).

-include("interop.hrl").

-define(CASTS, 10000).

cluster() ->
    [{a, erlang}, {b, erlang}, {n1, native}].

cases() ->
    [{"gen_server:call, cast and plain messages", fun calls/0},
     {"casts from two nodes are all counted", fun casts_are_counted/0},
     {"64 callers of one process", fun many_callers/0},
     {"a call of a process that dies meanwhile", fun call_of_the_dying/0},
     {"a call of a process that is dead", fun call_of_the_dead/0},
     {"monitors fire with the reason", fun monitors/0},
     {"monitors of names, and of what is not there", fun monitors_of_names/0},
     {"a removed monitor stays silent", fun demonitor/0},
     {"an exit reaches the linked Erlang process", fun link_tells_erlang/0},
     {"an exit reaches the linked native process", fun link_tells_native/0},
     {"a removed link carries nothing", fun unlink/0},
     {"a link to a dead process", fun link_to_the_dead/0},
     {"exit/2", fun exit2/0},
     {"what sys asks of a native process", fun sys_requests/0},
     {"a process with a thread of its own", fun thread_process/0},
     {"spawn, spawn_link and spawn_monitor of an exported function", fun spawns/0},
     {"spawn of what is not exported", fun spawn_unknown/0},
     {"a spawned process is no entry, a started one is", fun spawned_is_no_entry/0},
     {"output sent to a native process is answered", fun output_to_native/0},
     {"a function that the native node exports starts there", fun exported_function/0},
     {"a function that only Erlang has starts on the caller's node", fun erlang_function/0},
     {"a closure starts on the caller's node, and its death removes the entry", fun closure/0},
     {"what a closure prints and logs stays on its node", fun closure_prints/0},
     {"a closure that dies at once leaves no entry", fun closure_dies/0},
     {"the caller's node is asked to run a closure, not the one that made it",
      fun closure_made_elsewhere/0}].

wait() ->
    receive stop -> ok end.

native() ->
    interop_cluster:name(n1).

%% A fresh key that the native node owns, and a counter there.
key() ->
    [Key] = interop_keys:fresh(native(), interop_cluster:names(interop_cluster:members()), 1),
    Key.

counter() ->
    Key = key(),
    Pid = ?ON(a, nprocreg:get_pid(Key, fun counter:start/0)),
    ?EQUAL(native(), node(Pid)),
    Pid.

calls() ->
    Pid = counter(),
    ?EQUAL(0, ?ON(a, gen_server:call(Pid, get))),
    ?EQUAL(5, ?ON(a, gen_server:call(Pid, {add, 5}))),
    ?EQUAL(3, ?ON(b, gen_server:call(Pid, {add, -2}))),
    ?EQUAL(native(), ?ON(a, gen_server:call(Pid, where))),
    ?EQUAL(Pid, ?ON(a, gen_server:call(Pid, pid))),
    [?EQUAL({error, unknown}, ?ON(a, gen_server:call(Pid, Unknown)))
     || Unknown <- [nonsense, {add, x}, {add, 1.5}, {add, 1, 2}, "get", <<"get">>, {get}, [], #{}]],
    ?ON(a, gen_server:cast(Pid, inc)),
    ?ON(a, gen_server:cast(Pid, nonsense)),
    ?ON(a, Pid ! nonsense),
    ?ON(a, Pid ! {'$gen_call', nonsense, get}),
    ?ON(a, Pid ! {'$gen_call', {self()}, get}),
    ?EVENTUALLY(4, ?ON(a, gen_server:call(Pid, get))),
    ?EQUAL({pong, Pid}, ?ON(b, begin
                                   Pid ! {ping, self()},
                                   receive Answer -> Answer after 10000 -> silence end
                               end)),
    ?EQUAL({reply, 4},
           ?ON(b, gen_server:receive_response(gen_server:send_request(Pid, get), 10000))),
    %% A tag of the old manner, a bare reference.
    ?EQUAL(4, ?ON(b, begin
                         Ref = make_ref(),
                         Pid ! {'$gen_call', {self(), Ref}, get},
                         receive {Ref, Count} -> Count after 10000 -> silence end
                     end)),
    ?EQUAL(ok, ?ON(b, gen_server:call(Pid, stop))).

%% Would catch: answers that sys does not take, and a suspended process that goes on.
sys_requests() ->
    Pid = counter(),
    Status = fun() ->
                     {status, Pid, {module, Module}, [_, State | _]} = sys:get_status(Pid),
                     {Module, State}
             end,
    ?EQUAL(opaque, ?ON(a, sys:get_state(Pid))),
    ?EQUAL({counter, running}, ?ON(b, Status())),
    ?EQUAL(ok, ?ON(a, sys:suspend(Pid))),
    ?EQUAL({counter, suspended}, ?ON(b, Status())),
    ?EQUAL(timeout, ?ON(a, try gen_server:call(Pid, {add, 4}, 100)
                           catch exit:{timeout, _} -> timeout
                           end)),
    ?EQUAL(ok, ?ON(a, sys:resume(Pid))),
    ?EQUAL(4, ?ON(a, gen_server:call(Pid, get))),
    ?EQUAL(bye, ?ON(a, begin
                           Ref = monitor(process, Pid),
                           ok = sys:terminate(Pid, bye),
                           interop_check:down(Ref, Pid)
                       end)).

%% Would catch: a thread process that is not called, monitored or ended as any other; calls of its own
%% that Erlang does not understand; one that holds others up while it blocks.
thread_process() ->
    Key = key(),
    Blocking = ?ON(a, nprocreg:get_pid(Key, fun blocking:start/0)),
    ?EQUAL(native(), node(Blocking)),
    ?EQUAL({error, unknown}, ?ON(b, gen_server:call(Blocking, nonsense))),
    ?EQUAL({ok, 7}, ?ON(b, begin
                               {ok, Echo} = gen_server:start(interop_processes, [], []),
                               gen_server:call(Blocking, {ask, Echo, {add, 7}})
                           end)),
    %% By its name, which is monitored, too.
    Echo = fun() -> {echo, node()} end,
    ?EQUAL([{ok, 8}, {error, "no such process"}, {error, "process exited"}],
           ?ON(b, begin
                      {ok, _} = gen_server:start({local, echo}, interop_processes, [], []),
                      Answer = gen_server:call(Blocking, {ask, Echo(), {add, 8}}),
                      gen_server:stop(echo),
                      None = gen_server:call(Blocking, {ask, Echo(), {add, 8}}),
                      {ok, _} = gen_server:start({local, echo}, interop_processes, [], []),
                      [Answer, None, gen_server:call(Blocking, {ask, Echo(), stop})]
                  end)),
    %% What it does not wait for stays in order for later.
    ?EQUAL([{ok, {y, 1}}, {ok, {x, 1}}, {ok, {x, 2}}],
           ?ON(a, begin
                      [Blocking ! Message || Message <- [{x, 1}, {z, 1}, {x, 2}, {y, 1}]],
                      [gen_server:call(Blocking, {await, Tag}) || Tag <- [y, x, x]]
                  end)),
    Counter = counter(),
    ?EQUAL({ok, 3}, ?ON(a, gen_server:call(Blocking, {ask, Counter, {add, 3}}))),
    ?EQUAL({error, "no such process"},
           ?ON(a, begin
                      {Dead, Ref} = spawn_monitor(fun() -> ok end),
                      receive {'DOWN', Ref, process, Dead, _} -> ok end,
                      gen_server:call(Blocking, {ask, Dead, x})
                  end)),
    ?EQUAL({timeout, 5, ok},
           ?ON(a, begin
                      Timeout = try gen_server:call(Blocking, {sleep, 300}, 10)
                                catch exit:{timeout, _} -> timeout
                                end,
                      {Timeout, gen_server:call(Counter, {add, 2}),
                       gen_server:call(Blocking, {sleep, 0})}
                  end)),
    ?EQUAL(ok, ?ON(a, gen_server:call(Counter, stop))),
    ?EQUAL(opaque, ?ON(b, sys:get_state(Blocking))),
    %% Registered, it is reached by its name, as long as it lives.
    Named = {clerk, Native = native()},
    ?EQUAL(noproc, ?ON(a, try gen_server:call(Named, {sleep, 0})
                          catch exit:{Why, _} -> Why
                          end)),
    ?EQUAL(ok, ?ON(a, gen_server:call(Blocking, {name, clerk}))),
    ?EQUAL({error, "already exists"}, ?ON(b, gen_server:call(Named, {name, clerk}))),
    ?EQUAL({error, "already exists"}, ?ON(b, gen_server:call(Named, {name, net_kernel}))),
    ?EQUAL(Blocking, ?ON(a, erpc:call(Native, erlang, whereis, [clerk]))),
    ?EQUAL({answer, ok}, ?ON(b, begin
                                    Tag = answer,
                                    Named ! {'$gen_call', {self(), Tag}, {sleep, 0}},
                                    receive {answer, _} = Got -> Got after 10000 -> silence end
                                end)),
    ?EQUAL(killed, ?ON(a, begin
                              Ref = monitor(process, Blocking),
                              exit(Blocking, kill),
                              interop_check:down(Ref, Blocking)
                          end)),
    ?EQUAL(undefined, ?ON(a, erpc:call(Native, erlang, whereis, [clerk]))).

%% A gen_server for it to call.
init([]) ->
    {ok, none}.

handle_call({add, N}, _From, State) ->
    {reply, N, State};
handle_call(stop, _From, State) ->
    {stop, normal, State}.

handle_cast(_Message, State) ->
    {noreply, State}.

casts_are_counted() ->
    Pid = counter(),
    [?ON(Short, [gen_server:cast(Pid, inc) || _ <- lists:seq(1, ?CASTS)]) || Short <- [a, b]],
    %% A node's call comes after its casts, so each sees at least its own; together they make all.
    ?TRUE(?ON(a, gen_server:call(Pid, get)) >= ?CASTS),
    ?EVENTUALLY(2 * ?CASTS, ?ON(b, gen_server:call(Pid, get))),
    ?ON(a, gen_server:call(Pid, stop)).

many_callers() ->
    Pid = counter(),
    ?ON(a, begin
               Callers = [spawn_monitor(fun() -> [gen_server:call(Pid, {add, 1})
                                                  || _ <- lists:seq(1, 50)]
                                        end) || _ <- lists:seq(1, 64)],
               [normal = interop_check:down(Ref, Caller) || {Caller, Ref} <- Callers]
           end),
    ?EQUAL(64 * 50, ?ON(a, gen_server:call(Pid, get))),
    ?ON(a, gen_server:call(Pid, stop)).

call_of_the_dying() ->
    Pid = counter(),
    ?EQUAL({oops, [1.5, <<"why">>]},
           ?ON(a, try gen_server:call(Pid, {crash, {oops, [1.5, <<"why">>]}})
                  catch exit:{Reason, {gen_server, call, _}} -> Reason
                  end)).

call_of_the_dead() ->
    Pid = counter(),
    ?EQUAL(ok, ?ON(a, gen_server:call(Pid, stop))),
    [?EQUAL(noproc, ?ON(Short, try gen_server:call(Pid, get)
                               catch exit:{Reason, {gen_server, call, _}} -> Reason
                               end)) || Short <- [a, b]],
    ?EQUAL(ok, ?ON(a, gen_server:cast(Pid, inc))).

monitors() ->
    [begin
         Pid = counter(),
         ?EQUAL({Kind, Expected},
                {Kind, ?ON(a, begin
                                  Ref = monitor(process, Pid),
                                  End(Pid),
                                  interop_check:down(Ref, Pid)
                              end)}),
         ?EQUAL(noproc, ?ON(b, interop_check:down(monitor(process, Pid), Pid)))
     end || {Kind, Expected, End} <-
            [{stop, normal, fun(Pid) -> gen_server:call(Pid, stop) end},
             {crash, {bad, "thing", #{x => 1}},
              fun(Pid) -> catch gen_server:call(Pid, {crash, {bad, "thing", #{x => 1}}}) end},
             {kill, killed, fun(Pid) -> exit(Pid, kill) end},
             {exit, shutdown, fun(Pid) -> exit(Pid, shutdown) end}]].

monitors_of_names() ->
    Server = {nprocreg, native()},
    Nobody = {nosuch, native()},
    ?EQUAL(noproc, ?ON(a, interop_check:down(monitor(process, Nobody), Nobody))),
    ?EQUAL(true, ?ON(a, begin
                            Ref = monitor(process, Server),
                            gen_server:call(Server, get_status),
                            demonitor(Ref, [flush, info]) % true: it had not fired
                        end)).

demonitor() ->
    Pid = counter(),
    ?EQUAL([], ?ON(a, begin
                          Watched = monitor(process, Pid),
                          Removed = monitor(process, Pid),
                          demonitor(Removed),
                          gen_server:call(Pid, stop),
                          normal = interop_check:down(Watched, Pid),
                          receive Any -> [Any] after 0 -> [] end
                      end)).

link_tells_erlang() ->
    [begin
         Pid = counter(),
         ?EQUAL({'EXIT', Pid, Reason},
                ?ON(a, begin
                           process_flag(trap_exit, true),
                           link(Pid),
                           catch gen_server:call(Pid, {crash, Reason}),
                           receive Exit = {'EXIT', _, _} -> Exit after 10000 -> silence end
                       end))
     end || Reason <- [crashed, {crashed, "so"}, normal, kill]].

link_tells_native() ->
    [begin
         Pid = counter(),
         Linked = ?ON(a, spawn(fun() -> link(Pid), receive Reason -> exit(Reason) end end)),
         ?EVENTUALLY(true, ?ON(a, lists:member(Pid, element(2, process_info(Linked, links))))),
         Watcher = ?ON(a, watcher(Pid)),
         ?EQUAL(0, ?ON(a, gen_server:call(Pid, get))),
         ?ON(a, Linked ! Reason),
         case Reason of
             normal ->
                 ?EVENTUALLY(false, ?ON(a, is_process_alive(Linked))),
                 ?EQUAL(0, ?ON(a, gen_server:call(Pid, get))),
                 ?ON(a, exit(Pid, kill));
             _ ->
                 ?EQUAL(Reason, ?ON(a, reason_seen_by(Watcher)))
         end
     end || Reason <- [crashed, {crashed, [here]}, normal]].

%% A process that keeps the reason with which Pid ends, for a later call.  Its monitor is under way
%% when this returns.
watcher(Pid) ->
    Parent = self(),
    Watcher = spawn(fun() ->
                        Ref = monitor(process, Pid),
                        Parent ! {self(), watches},
                        Reason = interop_check:down(Ref, Pid),
                        receive {ask, From} -> From ! {reason, Reason} after 60000 -> ok end
                    end),
    receive {Watcher, watches} -> Watcher end.

reason_seen_by(Watcher) ->
    Watcher ! {ask, self()},
    receive {reason, Reason} -> Reason after 30000 -> silence end.

unlink() ->
    Pid = counter(),
    ?EQUAL([], ?ON(a, begin
                          process_flag(trap_exit, true),
                          Ref = monitor(process, Pid),
                          [begin link(Pid), unlink(Pid) end || _ <- lists:seq(1, 100)],
                          catch gen_server:call(Pid, {crash, crashed}),
                          crashed = interop_check:down(Ref, Pid),
                          receive Any -> [Any] after 0 -> [] end
                      end)),
    Again = counter(),
    ?EQUAL({'EXIT', Again, crashed},
           ?ON(a, begin
                      process_flag(trap_exit, true),
                      link(Again), unlink(Again), link(Again),
                      catch gen_server:call(Again, {crash, crashed}),
                      receive Exit = {'EXIT', _, _} -> Exit after 10000 -> silence end
                  end)),
    Other = counter(),
    Former = ?ON(a, spawn(fun() -> link(Other), unlink(Other), receive R -> exit(R) end end)),
    ?ON(a, Former ! crashed),
    ?EVENTUALLY(false, ?ON(a, is_process_alive(Former))),
    ?EQUAL(1, ?ON(a, gen_server:call(Other, {add, 1}))),
    ?ON(a, gen_server:call(Other, stop)).

link_to_the_dead() ->
    Pid = counter(),
    ?ON(a, gen_server:call(Pid, stop)),
    ?EQUAL({'EXIT', Pid, noproc},
           ?ON(a, begin
                      process_flag(trap_exit, true),
                      link(Pid),
                      receive Exit = {'EXIT', _, _} -> Exit after 10000 -> silence end
                  end)).

exit2() ->
    Pid = counter(),
    ?ON(a, exit(Pid, normal)), % Ignored, as by any process that does not trap exits.
    ?EQUAL(0, ?ON(a, gen_server:call(Pid, get))),
    Watcher = ?ON(b, watcher(Pid)),
    ?EQUAL(0, ?ON(b, gen_server:call(Pid, get))),
    ?ON(a, exit(Pid, {go, away})),
    ?EQUAL({go, away}, ?ON(b, reason_seen_by(Watcher))).

spawns() ->
    Plain = ?ON(a, spawn(native(), counter, start, [])),
    ?EQUAL(native(), node(Plain)),
    ?EQUAL(7, ?ON(b, gen_server:call(Plain, {add, 7}))),
    ?EQUAL(ok, ?ON(a, gen_server:call(Plain, stop))),
    Native = native(),
    ?EQUAL({1, crashed},
           ?ON(a, begin
                      {Pid, Ref} = spawn_monitor(Native, counter, start, []),
                      One = gen_server:call(Pid, {add, 1}),
                      catch gen_server:call(Pid, {crash, crashed}),
                      {One, interop_check:down(Ref, Pid)}
                  end)),
    ?EQUAL({1, crashed},
           ?ON(a, begin
                      process_flag(trap_exit, true),
                      Pid = spawn_link(Native, counter, start, []),
                      One = gen_server:call(Pid, {add, 1}),
                      catch gen_server:call(Pid, {crash, crashed}),
                      receive {'EXIT', Pid, Reason} -> {One, Reason} after 10000 -> silence end
                  end)),
    ?EQUAL({1, both, both},
           ?ON(a, begin
                      process_flag(trap_exit, true),
                      Request = spawn_request(Native, counter, start, [], [link, monitor]),
                      Pid = receive {spawn_reply, Request, ok, P} -> P after 10000 -> silence end,
                      One = gen_server:call(Pid, {add, 1}),
                      exit(Pid, both),
                      Down = interop_check:down(Request, Pid),
                      receive {'EXIT', Pid, Reason} -> {One, Down, Reason}
                      after 10000 -> silence
                      end
                  end)).

spawn_unknown() ->
    Native = native(),
    [begin
         {undef, [{Module, Function, Arguments, _} | _]} =
             ?ON(a, begin
                        {Pid, Ref} = spawn_monitor(Native, Module, Function, Arguments),
                        interop_check:down(Ref, Pid)
                    end)
     end || {Module, Function, Arguments} <-
            [{nosuch, start, []}, {counter, nosuch, []}, {counter, start, [1, 2]},
             {os, cmd, ["true"]}]],
    ?EQUAL(pong, ?ON(a, net_adm:ping(Native))).

spawned_is_no_entry() ->
    Native = native(),
    Count = fun() -> ?ON(a, gen_server:call({nprocreg, Native}, get_status)) end,
    ?EVENTUALLY(0, Count()),
    Spawned = ?ON(a, spawn(Native, counter, start, [])),
    ?EQUAL(0, ?ON(a, gen_server:call(Spawned, get))),
    ?EQUAL(0, Count()),
    Key = key(),
    ?ON(a, gen_server:cast({nprocreg, Native}, {register_pid, Key, Spawned})),
    ?EVENTUALLY(Spawned, ?ON(b, nprocreg:get_pid(Key))),
    ?EQUAL(1, Count()),
    ?EQUAL(ok, ?ON(b, gen_server:call(Spawned, stop))),
    ?EVENTUALLY({0, undefined}, {Count(), ?ON(b, nprocreg:get_pid(Key))}).

%% Whoever prints to a native process (its group leader, say) must not wait for ever.
output_to_native() ->
    Pid = counter(),
    [?EQUAL({Request, answered},
            {Request, ?ON(a, begin
                                 Ref = make_ref(),
                                 Pid ! {io_request, self(), Ref, Request},
                                 receive {io_reply, Ref, _} -> answered after 10000 -> silence end
                             end)})
     || Request <- [{put_chars, unicode, <<"text">>}, {get_line, unicode, ""}, nonsense]],
    ?ON(a, gen_server:call(Pid, stop)).

exported_function() ->
    Key = key(),
    Pid = ?ON(a, nprocreg:get_pid(Key, fun counter:start/0)),
    ?EQUAL(native(), node(Pid)),
    ?EQUAL(Pid, ?ON(b, nprocreg:get_pid(Key, fun counter:start/0))),
    ?ON(a, gen_server:call(Pid, stop)),
    ?EVENTUALLY(undefined, ?ON(b, nprocreg:get_pid(Key))).

erlang_function() ->
    [begin
         Key = key(),
         Pid = ?ON(Short, nprocreg:get_pid(Key, fun ?MODULE:wait/0)),
         started_back(Short, Key, Pid)
     end || Short <- [a, b]].

closure() ->
    [begin
         Key = key(),
         Pid = ?ON(Short, begin
                              Word = list_to_atom("stop"),
                              nprocreg:get_pid(Key, fun() -> receive Word -> Word end end)
                          end),
         started_back(Short, Key, Pid)
     end || Short <- [a, b]].

%% Pid runs on the caller's node, and the native owner of Key has the entry.
started_back(Short, Key, Pid) ->
    Native = native(),
    ?EQUAL(interop_cluster:name(Short), node(Pid)),
    ?EQUAL([{Key, Pid}], ?ON(a, rpc:call(Native, ets, lookup, [nprocreg_data, Key]))),
    [?EQUAL(Pid, ?ON(Other, nprocreg:get_pid(Key, fun counter:start/0))) || Other <- [a, b]],
    ?EQUAL(Pid, ?ON(a, rpc:call(Native, nprocreg, get_pid, [Key]))),
    ?ON(a, Pid ! stop),
    ?EVENTUALLY(undefined, ?ON(b, nprocreg:get_pid(Key))).

closure_prints() ->
    Key = key(),
    Pid = ?ON(a, nprocreg:get_pid(Key, fun() ->
                                           io:format("printed by a closure~n"),
                                           receive Reason -> error(Reason) end
                                       end)),
    ?EVENTUALLY(waiting_in_the_closure,
                ?ON(a, case process_info(Pid, [status, current_function]) of
                           [{status, waiting}, {current_function, {?MODULE, _, _}}] ->
                               waiting_in_the_closure;
                           Elsewhere -> Elsewhere
                       end)),
    ?ON(a, Pid ! on_purpose),
    ?EVENTUALLY(true, [on_purpose || {a, Text} <- interop_cluster:take_errors([a, b]),
                                     binary:match(Text, <<"on_purpose">>) =/= nomatch] =/= []).

closure_dies() ->
    Key = key(),
    Pid = ?ON(a, nprocreg:get_pid(Key, fun() -> exit(normal) end)),
    ?TRUE(is_pid(Pid)),
    ?EVENTUALLY(undefined, ?ON(b, nprocreg:get_pid(Key))),
    Next = ?ON(b, nprocreg:get_pid(Key, fun counter:start/0)),
    ?EQUAL(native(), node(Next)),
    ?ON(b, gen_server:call(Next, stop)).

%% The closure comes from b, which hangs; its caller is on a, which has the same module.
closure_made_elsewhere() ->
    Key = key(),
    Native = native(),
    Fun = ?ON(b, begin Word = list_to_atom("stop"), fun() -> receive Word -> Word end end end),
    Result = interop_cluster:while_stopped(
               b, fun() ->
                      ?ON(a, try gen_server:call({nprocreg, Native}, {start_function, Key, Fun})
                             catch exit:{Reason, _} -> {exit, Reason}
                             end)
                  end),
    ?TRUE(is_pid(Result)),
    ?EQUAL(interop_cluster:name(a), node(Result)),
    ?ON(a, Result ! stop),
    ?EVENTUALLY([], ?ON(a, rpc:call(Native, ets, lookup, [nprocreg_data, Key]))).
