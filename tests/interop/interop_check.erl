%% Assertions and bounded waiting.
-module(interop_check).
-export([equal/4, eventually/4, down/2, message/2]).

%% Long, since a busy machine must not fail a test: only a failing test ever waits so long.
-define(WAIT_MS_MAX, 30000).
-define(POLL_MS, 20).

equal(Expected, Expected, _Text, _Line) ->
    Expected;
equal(Expected, Value, Text, Line) ->
    error({line, Line, Text, {expected, Expected}, {got, Value}}).

eventually(Expected, Fun, Text, Line) ->
    eventually(Expected, Fun, Text, Line, erlang:monotonic_time(millisecond) + ?WAIT_MS_MAX).

eventually(Expected, Fun, Text, Line, Deadline) ->
    Value = try Fun() catch Class:Reason -> {Class, Reason} end,
    Late = erlang:monotonic_time(millisecond) >= Deadline,
    if
        Value =:= Expected -> Value;
        Late -> error({line, Line, Text, {expected, Expected}, {got_to_the_end, Value}});
        true ->
            receive after ?POLL_MS -> ok end,
            eventually(Expected, Fun, Text, Line, Deadline)
    end.

%% The reason with which the monitor `Ref` of `What` fires.
down(Ref, What) ->
    receive
        {'DOWN', Ref, process, What, Reason} -> Reason
    after ?WAIT_MS_MAX ->
        error({no_down, What})
    end.

%% Waits for one message that Match accepts: it returns {ok, Value} or false.
message(What, Match) ->
    message(What, Match, erlang:monotonic_time(millisecond) + ?WAIT_MS_MAX).

message(What, Match, Deadline) ->
    receive
        Message ->
            case Match(Message) of
                {ok, Value} -> Value;
                false -> message(What, Match, Deadline)
            end
    after max(0, Deadline - erlang:monotonic_time(millisecond)) ->
        error({no_message, What})
    end.
