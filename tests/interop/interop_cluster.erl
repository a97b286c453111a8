%% The cluster that a group of cases works on: an epmd of its own, Erlang nodes and native nodes on
%% loopback, each a child of this program.  Nodes go by short names here: a for a@127.0.0.1.
%%
%% NPROCREG_INTEROP_NATIVE=erlang runs Erlang nodes in place of the native ones, which shows what
%% the cases are worth: then those fail, and only those, that state what the original lacks.
-module(interop_cluster).
-export([start/3, stop/0, start_nodes/1, restart/1, name/1, names/1, kill/1, stop_node/1,
         while_stopped/2, heal/0, on/2, on/3, settle/0, settle/1, erlangs/0, natives/0, members/0,
         take_errors/1, command/1, command/2, erl/2, environment/0, in_directory/1]).

-include("interop.hrl").

-define(TABLE, interop_cluster). % {Short, #{kind, child, agent}}, {setting, Key, Value}
-define(BOOT_MS_MAX, 60000).
-define(CALL_MS_MAX, 90000).
-define(EXIT_MS_MAX, 20000).
-define(COMMAND_MS_MAX, 60000).
-define(COOKIE, "interop-cookie").

%% Starts Nodes ([{Short, erlang | native}]), all connected, in the working directory Directory, and
%% returns when each knows all.  A peer that is silent for TicktimeS seconds is taken for dead.
start(Nodes, TicktimeS, Directory) ->
    ?TABLE = ets:new(?TABLE, [named_table, public]),
    set(directory, Directory),
    set(ticktime, integer_to_list(TicktimeS)),
    {ok, Listener} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}, binary, {packet, 4},
                                        {active, false}]),
    set(listener, Listener),
    write_cookie(filename:join(Directory, ".erlang.cookie"), ?COOKIE),
    write_cookie(filename:join(Directory, "wrong.cookie"), "wrong"),
    start_epmd(10),
    set(members, [Short || {Short, _} <- Nodes]),
    [set({kind, Short}, kind(Kind)) || {Short, Kind} <- Nodes],
    start_nodes(members()),
    settle().

%% Ends every node as an operator would, and says what was not as it should be: a native node that
%% does not end cleanly, or a report of a sanitizer in its log.
stop() ->
    Faults = lists:append([stop_fault(Short) || Short <- natives()]),
    [kill(Short) || Short <- erlangs()],
    Faults ++ lists:append([log_fault(Log) || Log <- filelib:wildcard(in_directory("*.log"))]).

write_cookie(File, Cookie) ->
    ok = file:write_file(File, Cookie),
    ok = file:change_mode(File, 8#400).

%% A free port can be taken by another program before epmd has it; then another is tried.
start_epmd(Tries) when Tries > 0 ->
    {ok, Probe} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Probe),
    gen_tcp:close(Probe),
    set(epmd_port, integer_to_list(Port)),
    Command = [executable("epmd"), "-port", integer_to_list(Port), "-address", "127.0.0.1"],
    Child = interop_child:start(script(), in_directory("epmd.log"), Command, []),
    case epmd_answers(Child, Port) of
        true -> set(epmd, Child);
        false -> start_epmd(Tries - 1)
    end.

epmd_answers(Child, Port) ->
    case {gen_tcp:connect({127, 0, 0, 1}, Port, []), interop_child:exited(Child)} of
        {{ok, Socket}, false} ->
            gen_tcp:close(Socket),
            true;
        {{error, _}, false} ->
            receive after 10 -> epmd_answers(Child, Port) end;
        {_, _Status} ->
            false
    end.

%% Which kind a node really is in this run.
kind(native) ->
    case os:getenv("NPROCREG_INTEROP_NATIVE") of
        "erlang" -> erlang;
        _ -> native
    end;
kind(erlang) ->
    erlang.

name(Short) ->
    list_to_atom(atom_to_list(Short) ++ "@127.0.0.1").

names(Shorts) ->
    [name(Short) || Short <- Shorts].

%% The short names of all nodes of the group, whether they run at present or not.
members() ->
    setting(members).

erlangs() ->
    [Short || Short <- members(), setting({kind, Short}) =:= erlang].

natives() ->
    [Short || Short <- members(), setting({kind, Short}) =:= native].

running() ->
    [Short || Short <- members(), ets:member(?TABLE, Short)].

%% Starts nodes side by side, and waits until each can be used.
start_nodes(Shorts) ->
    {Erlangs, Natives} = lists:partition(fun(S) -> setting({kind, S}) =:= erlang end, Shorts),
    Children = [{Short, start_erlang(Short)} || Short <- Erlangs],
    [accept_agent(Children) || _ <- Children],
    [start_application(Short) || Short <- Erlangs],
    [start_native(Short) || Short <- Natives],
    [wait_ready(Short) || Short <- Natives],
    ok.

restart(Short) ->
    start_nodes([Short]).

start_erlang(Short) ->
    {ok, Port} = inet:port(setting(listener)),
    Command =
        [executable("erl"), "-noinput", "-name", atom_to_list(name(Short)), "-start_epmd", "false",
         "-kernel", "inet_dist_use_interface", "{127,0,0,1}",
         "-kernel", "net_ticktime", setting(ticktime),
         "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none", "-pa"]
        ++ code_path() ++ ["-run", "interop_agent", "start", integer_to_list(Port)],
    interop_child:start(script(), log_file(Short), Command, environment()).

%% The stand-in, or the original when NPROCREG_ORIGINAL_EBIN says where it is.
code_path() ->
    Suite = filename:dirname(code:which(?MODULE)),
    case os:getenv("NPROCREG_ORIGINAL_EBIN", "") of
        "" -> [Suite, filename:join(Suite, "standin")];
        Original -> string:lexemes(Original, ":") ++ [Suite]
    end.

accept_agent(Children) ->
    {ok, Socket} = gen_tcp:accept(setting(listener), ?BOOT_MS_MAX),
    {ok, Bytes} = gen_tcp:recv(Socket, 0, ?BOOT_MS_MAX),
    {hello, Name} = binary_to_term(Bytes),
    [{Short, Child}] = [{S, C} || {S, C} <- Children, name(S) =:= Name],
    Agent = spawn(fun() -> agent(Socket, #{}) end),
    ok = gen_tcp:controlling_process(Socket, Agent),
    Agent ! activate,
    ets:insert(?TABLE, {Short, #{child => Child, agent => Agent}}).

%% Whichever Erlang node starts later connects to those that run.
start_application(Short) ->
    Others = names([S || S <- erlangs(), S =/= Short, ets:member(?TABLE, S)]),
    on(Short, fun() ->
                  [net_kernel:connect_node(Other) || Other <- Others],
                  {ok, _} = application:ensure_all_started(nprocreg)
              end).

start_native(Short) ->
    Command =
        [os:getenv("NPROCREG_COMMAND"), "node", "--name", atom_to_list(name(Short)),
         "--cookie-file", in_directory(".erlang.cookie"),
         "--module", os:getenv("NPROCREG_COUNTER"), "--module", os:getenv("NPROCREG_PUPPET"),
         "--module", os:getenv("NPROCREG_BLOCKING"), "--log-level", "debug",
         "--command", "room:open=python3 '" ++ os:getenv("NPROCREG_ROOM") ++ "'",
         "--command", "echo:json=python3 '" ++ os:getenv("NPROCREG_ECHO") ++ "' json",
         "--command", "echo:packet4,packet4=python3 '" ++ os:getenv("NPROCREG_ECHO") ++ "' packet4",
         "--command", "echo:fails=sh -c 'exit 7'",
         "--net-ticktime", setting(ticktime)]
        ++ ["--join", atom_to_list(name(hd(erlangs())))],
    Child = interop_child:start(script(), log_file(Short), Command, environment()),
    ets:insert(?TABLE, {Short, #{child => Child, agent => none}}).

wait_ready(Short) ->
    Child = child(Short),
    Ready = <<"ready name=", (atom_to_binary(name(Short)))/binary, " port=">>,
    ?EVENTUALLY(true, binary:match(interop_child:log(Child), Ready) =/= nomatch
                      orelse interop_child:exited(Child) =/= false),
    ?EQUAL(false, interop_child:exited(Child)).

%% Each start of a node has a log of its own: a-1.log, a-2.log.
log_file(Short) ->
    Count = case ets:lookup(?TABLE, {setting, {starts, Short}}) of [{_, N}] -> N + 1; [] -> 1 end,
    set({starts, Short}, Count),
    in_directory(atom_to_list(Short) ++ "-" ++ integer_to_list(Count) ++ ".log").

%% What every program of the test runs in.
environment() ->
    [{"HOME", setting(directory)},
     {"ERL_EPMD_PORT", setting(epmd_port)}, {"ERL_EPMD_ADDRESS", "127.0.0.1"},
     {"NPROCREG_NODE", false}, {"ERL_LIBS", false},
     {"ERL_FLAGS", false}, {"ERL_AFLAGS", false}, {"ERL_ZFLAGS", false},
     {"ERL_CRASH_DUMP_SECONDS", "0"}].

%% Returns when every running node knows all that run, and places keys by that.
settle() ->
    settle(running()).

settle(Shorts) ->
    Erlangs = [Short || Short <- Shorts, setting({kind, Short}) =:= erlang],
    Names = lists:sort(names(Shorts)),
    [on(Short, fun() ->
                   [net_kernel:connect_node(name(Other)) || Other <- Erlangs, Other =/= Short],
                   gen_server:cast(nprocreg, broadcast_node)
               end) || Short <- Erlangs],
    [?EQUAL(ok, on(Short, fun global:sync/0)) || Short <- Erlangs],
    Asker = hd(Erlangs),
    [?EVENTUALLY({Short, Names}, {Short, known(Asker, name(Short))}) || Short <- Shorts],
    [?EVENTUALLY([], misplaced(Asker, name(Short), Names)) || Short <- Shorts],
    ok.

known(Asker, Name) ->
    on(Asker, fun() -> lists:sort(gen_server:call({nprocreg, Name}, get_nodes)) end).

%% Nodes cache their view for up to a second.  Keys that land where they should, asked for through
%% the node Name, show that it has the present one.
misplaced(Asker, Name, Names) ->
    Keys = [interop_keys:fresh(probe) || _ <- lists:seq(1, 8)],
    Pids = on(Asker, fun() -> [{K, rpc:call(Name, nprocreg, get_pid, [K, fun counter:start/0])}
                               || K <- Keys] end),
    on(Asker, fun() -> [gen_server:call(Pid, stop) || {_, Pid} <- Pids, is_pid(Pid)] end),
    [{Key, Pid} || {Key, Pid} <- Pids,
                   not is_pid(Pid) orelse node(Pid) =/= interop_keys:owner(Key, Names)].

%% Evaluates Fun in an Erlang node; what it raises is raised here.
on(Short, Fun) ->
    on(Short, Fun, ?CALL_MS_MAX).

on(Short, Fun, TimeoutMs) ->
    [{_, #{agent := Agent}}] = ets:lookup(?TABLE, Short),
    Ref = monitor(process, Agent),
    Agent ! {call, self(), Ref, Fun},
    receive
        {Ref, {value, Value}} ->
            demonitor(Ref, [flush]),
            Value;
        {Ref, {raised, Class, Reason, Stack}} ->
            demonitor(Ref, [flush]),
            erlang:raise(Class, Reason, Stack);
        {'DOWN', Ref, process, Agent, Reason} ->
            error({node_gone, Short, Reason})
    after TimeoutMs ->
        error({no_answer_from, Short})
    end.

agent(Socket, Calls) ->
    receive
        activate ->
            ok = inet:setopts(Socket, [{active, true}]),
            agent(Socket, Calls);
        {call, From, Ref, Fun} ->
            Id = map_size(Calls) + erlang:unique_integer([positive]),
            ok = gen_tcp:send(Socket, term_to_binary({call, Id, Fun})),
            agent(Socket, Calls#{Id => {From, Ref}});
        {tcp, Socket, Bytes} ->
            {result, Id, Result} = binary_to_term(Bytes),
            {{From, Ref}, Rest} = maps:take(Id, Calls),
            From ! {Ref, Result},
            agent(Socket, Rest);
        {tcp_closed, Socket} ->
            ok
    end.

%% kill -9, and waits until it is gone.
kill(Short) ->
    case ets:take(?TABLE, Short) of
        [{_, #{child := Child}}] ->
            interop_child:signal(Child, "KILL"),
            137 = interop_child:wait_exit(Child, ?EXIT_MS_MAX),
            ok;
        [] ->
            ok
    end.

%% The end that an operator asks for; returns the exit status.
stop_node(Short) ->
    [{_, #{child := Child}}] = ets:take(?TABLE, Short),
    interop_child:signal(Child, "TERM"),
    interop_child:wait_exit(Child, ?EXIT_MS_MAX).

stop_fault(Short) ->
    case ets:member(?TABLE, Short) andalso stop_node(Short) of
        false -> [];
        0 -> [];
        Status -> [{Short, ended_with, Status}]
    end.

log_fault(Log) ->
    {ok, Text} = file:read_file(Log),
    case re:run(Text, "Sanitizer|runtime error:|assertion|core dumped") of
        nomatch -> [];
        {match, _} -> [{report_in, Log}]
    end.

%% Fun's value, evaluated while the node hangs (SIGSTOP).
while_stopped(Short, Fun) ->
    Child = child(Short),
    interop_child:signal(Child, "STOP"),
    try
        Fun()
    after
        interop_child:signal(Child, "CONT")
    end.

%% After a failed case: makes the cluster whole again for the next.
heal() ->
    start_nodes(members() -- running()),
    settle(),
    take_errors(erlangs()).

child(Short) ->
    [{_, #{child := Child}}] = ets:lookup(?TABLE, Short),
    Child.

%% What the running Erlang nodes among Shorts have logged as errors: [{Short, Text}].
take_errors(Shorts) ->
    [{Short, Text} || Short <- Shorts, ets:member(?TABLE, Short),
                      Text <- on(Short, fun interop_agent:take_errors/0)].

%% Runs the command with Arguments: {Exit status, what it printed}.
command(Arguments) ->
    command(Arguments, environment()).

command(Arguments, Environment) ->
    run(os:getenv("NPROCREG_COMMAND"), Arguments, Environment).

%% The same for an Erlang node that is none of the cluster's, and evaluates Code.
erl(Arguments, Code) ->
    run(executable("erl"), ["-noshell" | Arguments] ++ ["-eval", Code], environment()).

run(Executable, Arguments, Environment) ->
    Port = open_port({spawn_executable, Executable},
                     [{args, Arguments}, {env, Environment}, exit_status, binary,
                      stderr_to_stdout]),
    command_output(Port, <<>>).

command_output(Port, Output) ->
    receive
        {Port, {data, Bytes}} -> command_output(Port, <<Output/binary, Bytes/binary>>);
        {Port, {exit_status, Status}} -> {Status, Output}
    after ?COMMAND_MS_MAX ->
        {os_pid, Pid} = erlang:port_info(Port, os_pid),
        os:cmd("kill -KILL " ++ integer_to_list(Pid)),
        error({command_hangs, Output})
    end.

script() ->
    os:getenv("NPROCREG_CHILD").

executable(Name) ->
    case os:find_executable(Name) of
        false -> error({not_installed, Name});
        Path -> Path
    end.

in_directory(File) ->
    filename:join(setting(directory), File).

set(Key, Value) ->
    ets:insert(?TABLE, {{setting, Key}, Value}).

setting(Key) ->
    [{_, Value}] = ets:lookup(?TABLE, {setting, Key}),
    Value.
