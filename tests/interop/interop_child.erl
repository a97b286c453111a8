%% One program of the machine, run under the script `child`: it dies when this program does, so that
%% nothing outlives the test.  Not linked to the case that starts it: a node may outlive a case.
-module(interop_child).
-behaviour(gen_server).
-export([start/4, signal/2, wait_exit/2, exited/1, log/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(START_MS_MAX, 10000).

%% Runs Command (its path and arguments) with its output in the file Log.
start(Script, Log, Command, Environment) ->
    {ok, Child} = gen_server:start(?MODULE, {Script, Log, Command, Environment}, []),
    Child.

%% Sends it a signal: "KILL", "STOP", "CONT", "TERM".
signal(Child, Name) ->
    gen_server:call(Child, {signal, Name}).

%% Its exit status (128 + the signal that ended it), or `timeout`.
wait_exit(Child, TimeoutMs) ->
    try
        gen_server:call(Child, wait_exit, TimeoutMs)
    catch
        exit:{timeout, _} -> timeout
    end.

%% Its exit status, or false while it runs.
exited(Child) ->
    gen_server:call(Child, exited).

%% All that it has written so far.
log(Child) ->
    {ok, Text} = file:read_file(gen_server:call(Child, log)),
    Text.

init({Script, Log, Command, Environment}) ->
    Port = open_port({spawn_executable, Script},
                     [{args, [Log | Command]}, {env, Environment}, {line, 200}, binary]),
    receive
        {Port, {data, {eol, <<"pid ", Pid/binary>>}}} ->
            {ok, #{port => Port, pid => binary_to_list(Pid), log => Log, status => false,
                   waiting => []}}
    after ?START_MS_MAX ->
        {stop, {cannot_start, Command}}
    end.

handle_call({signal, Name}, _From, State = #{pid := Pid, status := false}) ->
    "" = os:cmd("kill -" ++ Name ++ " " ++ Pid),
    Name =:= "STOP" andalso await_stopped(Pid),
    {reply, ok, State};
handle_call({signal, _Name}, _From, State) ->
    {reply, exited, State};
handle_call(wait_exit, From, State = #{status := false, waiting := Waiting}) ->
    {noreply, State#{waiting := [From | Waiting]}};
handle_call(wait_exit, _From, State = #{status := Status}) ->
    {reply, Status, State};
handle_call(exited, _From, State = #{status := Status}) ->
    {reply, Status, State};
handle_call(log, _From, State = #{log := Log}) ->
    {reply, Log, State}.

handle_cast(_, State) ->
    {noreply, State}.

%% kill returns when the signal is there; on a busy machine threads of the node run on until one of
%% them has taken it.
await_stopped(Pid) ->
    Running = "grep -hvE '^[0-9]+ [(].*[)] T ' /proc/" ++ Pid ++ "/task/*/stat 2>/dev/null",
    case os:cmd(Running) of
        "" -> ok;
        _ -> await_stopped(Pid)
    end.

handle_info({Port, {data, {eol, <<"exit ", Text/binary>>}}},
            State = #{port := Port, waiting := Waiting}) ->
    Status = binary_to_integer(Text),
    [gen_server:reply(From, Status) || From <- Waiting],
    {noreply, State#{status := Status, waiting := []}};
handle_info(_, State) ->
    {noreply, State}.
