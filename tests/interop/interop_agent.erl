%% The tests' hand in an Erlang node: runs what the driver asks for, and keeps what the node logs as
%% errors.  The driver is reached by a connection of its own, so that the cluster has no part in it
%% (and a test may break the cluster at will).
-module(interop_agent).
-export([start/1, take_errors/0, log/2]).

-define(ERRORS, interop_errors).

%% Called from the node's command line.
start([Port]) ->
    spawn(fun() -> run(list_to_integer(Port)) end).

%% What was logged as an error since the last call, oldest first, as texts.
take_errors() ->
    [begin ets:delete(?ERRORS, At), Text end || {At, Text} <- ets:tab2list(?ERRORS)].

%% A handler of `logger`.
log(Event, _Config) ->
    Text = logger_formatter:format(Event, #{single_line => true}),
    ets:insert(?ERRORS, {erlang:unique_integer([monotonic]), unicode:characters_to_binary(Text)}).

run(Port) ->
    ets:new(?ERRORS, [named_table, ordered_set, public]),
    ok = logger:add_handler(interop, ?MODULE, #{level => error}),
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {packet, 4}, {active, true}]),
    send(Socket, {hello, node()}),
    serve(Socket).

serve(Socket) ->
    receive
        {tcp, Socket, Bytes} ->
            {call, Id, Fun} = binary_to_term(Bytes),
            Server = self(),
            spawn(fun() -> Server ! {result, Id, evaluate(Fun)} end),
            serve(Socket);
        {result, Id, Result} ->
            send(Socket, {result, Id, Result}),
            serve(Socket);
        {tcp_closed, Socket} ->
            erlang:halt(0, [{flush, false}])
    end.

evaluate(Fun) ->
    try
        {value, Fun()}
    catch
        Class:Reason:Stack -> {raised, Class, Reason, Stack}
    end.

send(Socket, Term) ->
    ok = gen_tcp:send(Socket, term_to_binary(Term)).
