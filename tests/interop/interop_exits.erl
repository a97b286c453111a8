%% Ends: what Erlang and native processes see of each other's, by links, monitors, exit signals and
%% calls, in both directions.  The native process is a puppet (puppet.c) that does what it is told.
-module(interop_exits).
-export([cluster/0, cases/0]).
-export([start_child/1, init/1]).

-include("interop.hrl").

%% Reason that a process ends with, reason that others see.
-define(REASONS, [{normal, normal}, {shutdown, shutdown}, {{shutdown, moved}, {shutdown, moved}},
                  {kill, kill}, {{my, "own", #{term => 1.5}}, {my, "own", #{term => 1.5}}}]).

cluster() ->
    [{a, erlang}, {b, erlang}, {n1, native}].

cases() ->
    [{"native monitors of Erlang processes fire with the reason", fun native_monitors/0},
     {"native monitors of the dead, and those that are taken back", fun native_monitors_of_nobody/0},
     {"native links to Erlang processes, exits trapped", fun native_links_trapped/0},
     {"native links to Erlang processes, exits not trapped", fun native_links/0},
     {"links to the dead, from a native process", fun native_links_to_the_dead/0},
     {"Erlang monitors and links of a native process that stops", fun native_stops/0},
     {"exit/2 to a native process that traps exits", fun exits_trapped/0},
     {"exit/2 from a native process", fun exits_from_native/0},
     {"a node that is gone ends links and monitors of native processes", fun node_gone/0},
     {"a late reply leaves nothing in the caller's mailbox", fun late_reply/0},
     {"a reply after the caller has gone", fun reply_to_nobody/0},
     {"gen_server:stop", fun gen_server_stop/0},
     {"what sys asks that a native process does not do", fun sys_unsupported/0},
     {"a supervisor's child", fun supervised/0},
     {"spawns whose init fails", fun failing_init/0},
     {"the options of spawn_request", fun spawn_options/0},
     {"is_process_alive", fun alive/0},
     {"a name: sent to, called, monitored, told of, free again", fun named/0}].

native() ->
    interop_cluster:name(n1).

puppet() ->
    Native = native(),
    ?ON(a, spawn(Native, puppet, start, [])).

%% Tells it what to do.
do(Puppet, Order) ->
    ?ON(a, gen_server:call(Puppet, Order)).

%% A watcher on node b, whose monitor is in place.
watch(Puppet) ->
    Watcher = ?ON(b, interop_processes:watcher(Puppet)),
    ?EQUAL({error, unknown}, ?ON(b, gen_server:call(Puppet, hello))),
    Watcher.

%% An Erlang process on node a that ends with what it is sent.
mortal() ->
    ?ON(a, spawn(fun() -> receive {die, Reason} -> exit(Reason) end end)).

%% A process on node a that keeps what the puppet hears: ask it by heard/2.
listener(Puppet) ->
    Listener = ?ON(a, spawn(fun() -> listen(Puppet, []) end)),
    ?EQUAL(ok, do(Puppet, {tell, Listener})),
    Listener.

listen(Puppet, Heard) ->
    receive
        {heard, Puppet, Message} -> listen(Puppet, [Message | Heard]);
        {ask, From} -> From ! {heard, lists:reverse(Heard)}, listen(Puppet, Heard)
    end.

heard(Listener) ->
    ?ON(a, begin
               Listener ! {ask, self()},
               receive {heard, Heard} -> Heard after 10000 -> silence end
           end).

%% Would catch: reasons that are changed on their way, and a second DOWN.
native_monitors() ->
    Puppet = puppet(),
    Listener = listener(Puppet),
    Expected =
        [begin
             Mortal = mortal(),
             {ok, Ref} = do(Puppet, {monitor, Mortal}),
             ?ON(a, Mortal ! {die, Reason}),
             ?EVENTUALLY({'DOWN', Ref, process, Mortal, Seen}, lists:last([none | heard(Listener)])),
             {'DOWN', Ref, process, Mortal, Seen}
         end || {Reason, Seen} <- ?REASONS],
    Killed = mortal(),
    {ok, Ref} = do(Puppet, {monitor, Killed}),
    ?ON(b, exit(Killed, kill)),
    ?EVENTUALLY(Expected ++ [{'DOWN', Ref, process, Killed, killed}], heard(Listener)),
    ?EQUAL(ok, do(Puppet, {stop, normal})).

native_monitors_of_nobody() ->
    Puppet = puppet(),
    Listener = listener(Puppet),
    Dead = mortal(),
    ?ON(a, exit(Dead, kill)),
    ?EVENTUALLY(false, ?ON(a, is_process_alive(Dead))),
    {ok, Ref} = do(Puppet, {monitor, Dead}),
    ?EVENTUALLY([{'DOWN', Ref, process, Dead, noproc}], heard(Listener)),
    Mortal = mortal(),
    {ok, First} = do(Puppet, {monitor, Mortal}),
    {ok, Second} = do(Puppet, {monitor, Mortal}),
    ?EQUAL(ok, do(Puppet, {demonitor, First})),
    ?ON(a, Mortal ! {die, crashed}),
    ?EVENTUALLY([{'DOWN', Ref, process, Dead, noproc}, {'DOWN', Second, process, Mortal, crashed}],
                heard(Listener)),
    ?EQUAL(ok, do(Puppet, {stop, normal})).

native_links_trapped() ->
    Puppet = puppet(),
    Listener = listener(Puppet),
    ?EQUAL(ok, do(Puppet, {trap, true})),
    Expected =
        [begin
             Mortal = mortal(),
             ?EQUAL(ok, do(Puppet, {link, Mortal})),
             ?EVENTUALLY({links, [Puppet]}, ?ON(a, process_info(Mortal, links))),
             ?ON(a, Mortal ! {die, Reason}),
             ?EVENTUALLY({'EXIT', Mortal, Seen}, lists:last([none | heard(Listener)])),
             {'EXIT', Mortal, Seen}
         end || {Reason, Seen} <- ?REASONS],
    Former = mortal(),
    ?EQUAL(ok, do(Puppet, {link, Former})),
    ?EQUAL(ok, do(Puppet, {unlink, Former})),
    ?EVENTUALLY({links, []}, ?ON(a, process_info(Former, links))),
    ?ON(a, Former ! {die, crashed}),
    Last = mortal(),
    ?EQUAL(ok, do(Puppet, {link, Last})),
    ?ON(a, exit(Last, kill)),
    ?EVENTUALLY(Expected ++ [{'EXIT', Last, killed}], heard(Listener)),
    ?EQUAL(ok, do(Puppet, {stop, normal})).

%% `kill` comes by a link like any other reason: only exit/2 cannot be trapped.
native_links() ->
    [begin
         Puppet = puppet(),
         Mortal = mortal(),
         ?EQUAL(ok, do(Puppet, {link, Mortal})),
         Watcher = watch(Puppet),
         ?ON(a, Mortal ! {die, Reason}),
         case Reason of
             normal ->
                 ?EVENTUALLY(false, ?ON(a, is_process_alive(Mortal))),
                 ?EQUAL(ok, do(Puppet, {stop, later})),
                 ?EQUAL(later, ?ON(b, interop_processes:reason_seen_by(Watcher)));
             _ ->
                 ?EQUAL(Seen, ?ON(b, interop_processes:reason_seen_by(Watcher)))
         end
     end || {Reason, Seen} <- ?REASONS].

native_links_to_the_dead() ->
    Dead = mortal(),
    ?ON(a, exit(Dead, kill)),
    ?EVENTUALLY(false, ?ON(a, is_process_alive(Dead))),
    Trapper = puppet(),
    Listener = listener(Trapper),
    ?EQUAL(ok, do(Trapper, {trap, true})),
    ?EQUAL(ok, do(Trapper, {link, Dead})),
    ?EVENTUALLY([{'EXIT', Dead, noproc}], heard(Listener)),
    Puppet = puppet(),
    Watcher = watch(Puppet),
    ?EQUAL(ok, do(Puppet, {link, Dead})),
    ?EQUAL(noproc, ?ON(b, interop_processes:reason_seen_by(Watcher))),
    ?EQUAL(ok, do(Trapper, {stop, normal})).

native_stops() ->
    [begin
         Puppet = puppet(),
         ?EQUAL({Reason, {Seen, Seen}},
                {Reason, ?ON(a, begin
                                    process_flag(trap_exit, true),
                                    link(Puppet),
                                    Ref = monitor(process, Puppet),
                                    ok = gen_server:call(Puppet, {stop, Reason}),
                                    Down = interop_check:down(Ref, Puppet),
                                    receive {'EXIT', Puppet, Exit} -> {Down, Exit}
                                    after 10000 -> silence
                                    end
                                end)})
     end || {Reason, Seen} <- ?REASONS].

%% Would catch: `normal` that is dropped although exits are trapped, and a `kill` that is.
exits_trapped() ->
    Puppet = puppet(),
    Listener = listener(Puppet),
    ?EQUAL(ok, do(Puppet, {trap, true})),
    Sender = ?ON(b, spawn(fun() ->
                              [exit(Puppet, Reason) || {Reason, _} <- ?REASONS, Reason =/= kill],
                              receive stop -> ok end
                          end)),
    ?EVENTUALLY([{'EXIT', Sender, Reason} || {Reason, _} <- ?REASONS, Reason =/= kill],
                heard(Listener)),
    ?EQUAL(ok, do(Puppet, {trap, false})),
    ?ON(b, exit(Puppet, normal)),
    ?EQUAL(ok, ?ON(b, gen_server:call(Puppet, {trap, true}))),
    Watcher = watch(Puppet),
    ?ON(b, exit(Puppet, kill)),
    ?EQUAL(killed, ?ON(b, interop_processes:reason_seen_by(Watcher))).

exits_from_native() ->
    Puppet = puppet(),
    Seen = fun(Reason, Flag) ->
                   ?ON(b, begin
                              process_flag(trap_exit, Flag),
                              ok = gen_server:call(Puppet, {exit, self(), Reason}),
                              receive Message -> Message after 10000 -> silence end
                          end)
           end,
    [?EQUAL({'EXIT', Puppet, Reason}, Seen(Reason, true))
     || {Reason, _} <- ?REASONS, Reason =/= kill],
    Mortal = mortal(),
    Watcher = ?ON(a, interop_processes:watcher(Mortal)),
    ?EQUAL(ok, do(Puppet, {exit, Mortal, normal})),
    ?TRUE(?ON(a, is_process_alive(Mortal))),
    ?EQUAL(ok, do(Puppet, {exit, Mortal, kill})),
    ?EQUAL(killed, ?ON(a, interop_processes:reason_seen_by(Watcher))),
    ?EQUAL(ok, do(Puppet, {stop, normal})).

node_gone() ->
    Puppet = puppet(),
    Listener = listener(Puppet),
    Dies = puppet(),
    Watcher = ?ON(a, interop_processes:watcher(Dies)),
    ?EQUAL({error, unknown}, do(Dies, hello)),
    Far = ?ON(b, spawn(fun() -> receive stop -> ok end end)),
    ?EQUAL(ok, do(Puppet, {trap, true})),
    ?EQUAL(ok, do(Puppet, {link, Far})),
    {ok, Ref} = do(Puppet, {monitor, Far}),
    ?EQUAL(ok, do(Dies, {link, Far})),
    ?EVENTUALLY(2, ?ON(b, length(element(2, process_info(Far, links))))),
    interop_cluster:kill(b),
    ?EVENTUALLY(lists:sort([{'EXIT', Far, noconnection}, {'DOWN', Ref, process, Far, noconnection}]),
                lists:sort(heard(Listener))),
    ?EQUAL(noconnection, ?ON(a, interop_processes:reason_seen_by(Watcher))),
    %% Nobody is there: so a new link breaks, and a new monitor fires.
    {ok, Again} = do(Puppet, {monitor, Far}),
    ?EVENTUALLY({'DOWN', Again, process, Far, noconnection}, lists:last(heard(Listener))),
    ?EQUAL(ok, do(Puppet, {stop, normal})),
    interop_cluster:restart(b),
    interop_cluster:settle().

late_reply() ->
    Puppet = puppet(),
    ?EQUAL({timeout, {error, unknown}, []},
           ?ON(a, begin
                      ok = sys:suspend(Puppet),
                      Timeout = try gen_server:call(Puppet, late, 50)
                                catch exit:{timeout, _} -> timeout
                                end,
                      ok = sys:resume(Puppet),
                      Answer = gen_server:call(Puppet, early),
                      receive Any -> {Timeout, Answer, [Any]} after 100 -> {Timeout, Answer, []} end
                  end)),
    ?EQUAL(ok, do(Puppet, {stop, normal})).

reply_to_nobody() ->
    Puppet = puppet(),
    ?EQUAL(ok, ?ON(a, sys:suspend(Puppet))),
    Caller = ?ON(b, spawn(fun() -> gen_server:call(Puppet, late, infinity) end)),
    ?EVENTUALLY(true, ?ON(b, element(2, process_info(Caller, status)) =:= waiting)),
    ?ON(b, exit(Caller, kill)),
    ?EQUAL(ok, ?ON(a, sys:resume(Puppet))),
    ?EQUAL({error, unknown}, do(Puppet, early)),
    ?EQUAL(ok, do(Puppet, {stop, normal})).

gen_server_stop() ->
    [begin
         Puppet = puppet(),
         Watcher = watch(Puppet),
         ?EQUAL({Reason, ok}, {Reason, ?ON(a, gen_server:stop(Puppet, Reason, 5000))}),
         ?EQUAL(Seen, ?ON(b, interop_processes:reason_seen_by(Watcher)))
     end || {Reason, Seen} <- ?REASONS],
    Puppet = puppet(),
    ?EQUAL(ok, ?ON(a, gen_server:stop(Puppet))),
    ?EQUAL(noproc, ?ON(a, try gen_server:stop(Puppet) catch exit:Reason -> Reason end)).

sys_unsupported() ->
    Puppet = puppet(),
    ?EQUAL(enotsup, ?ON(a, try sys:replace_state(Puppet, fun(State) -> State end)
                           catch error:Reason -> Reason
                           end)),
    [?EQUAL({error, enotsup}, ?ON(a, Request())) || Request <-
         [fun() -> sys:log(Puppet, true) end, fun() -> sys:trace(Puppet, true) end,
          fun() -> sys:statistics(Puppet, true) end, fun() -> sys:no_debug(Puppet) end]],
    ?EQUAL({error, unknown}, do(Puppet, still_there)),
    ?EQUAL(ok, do(Puppet, {stop, normal})).

%% Would catch: a child that its supervisor cannot link to, does not hear of, or waits for in vain.
supervised() ->
    Native = native(),
    Supervisor = ?ON(a, begin
                            {ok, Pid} = supervisor:start_link(interop_exits, Native),
                            unlink(Pid),
                            Pid
                        end),
    Child = fun() -> [{_, Pid, _, _}] = ?ON(a, supervisor:which_children(Supervisor)), Pid end,
    First = Child(),
    ?EQUAL(native(), node(First)),
    ?EQUAL(ok, do(First, {stop, crashed})),
    ?EVENTUALLY(true, is_pid(Child()) andalso Child() =/= First),
    Second = Child(),
    Watcher = watch(Second),
    ?EQUAL({error, unknown}, do(Second, hello)),
    ?EQUAL(ok, ?ON(a, supervisor:terminate_child(Supervisor, puppet))),
    ?EQUAL(shutdown, ?ON(b, interop_processes:reason_seen_by(Watcher))),
    {ok, Third} = ?ON(a, supervisor:restart_child(Supervisor, puppet)),
    Last = watch(Third),
    ?EQUAL({error, unknown}, do(Third, hello)),
    ?ON(a, exit(Supervisor, kill)), % Its links break by this reason, as seen from outside.
    ?EQUAL(killed, ?ON(b, interop_processes:reason_seen_by(Last))),
    interop_cluster:take_errors([a]). % The supervisor has reported the crash.

%% The supervisor.
init(Native) ->
    {ok, {#{}, [#{id => puppet, start => {interop_exits, start_child, [Native]}}]}}.

start_child(Native) ->
    {ok, spawn_link(Native, puppet, start, [])}.

failing_init() ->
    Native = native(),
    Count = fun() -> ?ON(a, erpc:call(Native, erlang, system_info, [process_count])) end,
    Before = Count(),
    ?EQUAL({no, luck},
           ?ON(a, begin
                      {Pid, Ref} = spawn_monitor(Native, puppet, start, [{fail, {no, luck}}]),
                      interop_check:down(Ref, Pid)
                  end)),
    ?EQUAL({no, luck},
           ?ON(a, begin
                      process_flag(trap_exit, true),
                      Pid = spawn_link(Native, puppet, start, [{fail, {no, luck}}]),
                      receive {'EXIT', Pid, Reason} -> Reason after 10000 -> silence end
                  end)),
    ?EVENTUALLY(Before, Count()).

spawn_options() ->
    Native = native(),
    ?EQUAL({mine, ok},
           ?ON(a, begin
                      Request = spawn_request(Native, puppet, start, [], [{reply_tag, mine}]),
                      receive {mine, Request, ok, Pid} -> {mine, gen_server:stop(Pid)}
                      after 10000 -> silence
                      end
                  end)),
    ?EQUAL(normal,
           ?ON(a, begin
                      Request = spawn_request(Native, puppet, start, [], [{reply, no}, monitor]),
                      [Pid] = [P || P <- erpc:call(Native, erlang, processes, []),
                                    erpc:call(Native, erlang, process_info, [P, initial_call])
                                        =:= {initial_call, {puppet, start, 0}}],
                      ok = gen_server:stop(Pid),
                      interop_check:down(Request, Pid)
                  end)),
    ?EQUAL({down, bye},
           ?ON(a, begin
                      {Pid, Ref} = spawn_opt(Native, puppet, start, [],
                                             [{monitor, [{tag, down}]}, {priority, high},
                                              {min_heap_size, 1000}]),
                      ok = gen_server:call(Pid, {stop, bye}),
                      receive {down, Ref, process, Pid, Reason} -> {down, Reason}
                      after 10000 -> silence
                      end
                  end)).

alive() ->
    Native = native(),
    Puppet = puppet(),
    Alive = fun() -> ?ON(a, erpc:call(Native, erlang, is_process_alive, [Puppet])) end,
    ?EQUAL(true, Alive()),
    ?EQUAL(ok, do(Puppet, {stop, normal})),
    ?EVENTUALLY(false, Alive()).

%% Would catch: a DOWN that names the pid where the name was monitored, and a name that outlives its
%% process.
named() ->
    Native = native(),
    Server = {marionette, Native},
    Puppet = puppet(),
    Listener = listener(Puppet),
    ?EQUAL(ok, do(Puppet, {name, marionette})),
    ?EQUAL({error, unknown}, ?ON(b, gen_server:call(Server, hello))),
    ?EQUAL({marionette, Native}, ?ON(b, Server ! {marionette, Native})),
    ?EVENTUALLY([{marionette, Native}], heard(Listener)),
    ?EQUAL(Puppet, ?ON(a, erpc:call(Native, erlang, whereis, [marionette]))),
    ?EQUAL({registered_name, marionette},
           ?ON(a, erpc:call(Native, erlang, process_info, [Puppet, registered_name]))),
    ?EQUAL({{my, end_}, noproc},
           ?ON(b, begin
                      Ref = monitor(process, Server),
                      ok = gen_server:call(Server, {stop, {my, end_}}),
                      Down = interop_check:down(Ref, Server),
                      {Down, interop_check:down(monitor(process, Server), Server)}
                  end)),
    Next = puppet(),
    ?EQUAL(ok, do(Next, {name, marionette})),
    ?EQUAL(ok, ?ON(a, gen_server:stop(Server))).
