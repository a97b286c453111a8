%% What puppet.c is, for runs that put Erlang nodes in place of the native ones: so the cases are held
%% against Erlang's own processes.  Not a gen_server, as in counter.erl.
-module(puppet).
-export([start/0, start/1]).
-export([system_continue/3, system_terminate/4, system_code_change/4, system_get_state/1]).

start() ->
    loop(none).

start({fail, Reason}) ->
    exit(Reason).

loop(Owner) ->
    receive
        {'$gen_call', From, Order} -> call(Order, From, Owner);
        {system, From, Request} -> sys:handle_system_msg(Request, From, self(), ?MODULE, [], Owner);
        _ when Owner =:= none -> loop(none);
        Message -> Owner ! {heard, self(), Message}, loop(Owner)
    end.

call({tell, Pid}, From, _) -> reply(From, ok, Pid);
call({link, Pid}, From, Owner) -> link(Pid), reply(From, ok, Owner);
call({unlink, Pid}, From, Owner) -> unlink(Pid), reply(From, ok, Owner);
call({monitor, Pid}, From, Owner) -> reply(From, {ok, monitor(process, Pid)}, Owner);
call({demonitor, Ref}, From, Owner) -> demonitor(Ref), reply(From, ok, Owner);
call({exit, Pid, Reason}, From, Owner) -> exit(Pid, Reason), reply(From, ok, Owner);
call({trap, Flag}, From, Owner) -> process_flag(trap_exit, Flag), reply(From, ok, Owner);
call({name, Name}, From, Owner) -> register(Name, self()), reply(From, ok, Owner);
call({stop, Reason}, From, _) -> gen_server:reply(From, ok), exit(Reason);
call(_, From, Owner) -> reply(From, {error, unknown}, Owner).

reply(From, Reply, Owner) ->
    gen_server:reply(From, Reply),
    loop(Owner).

system_continue(_, _, Owner) -> loop(Owner).
system_terminate(Reason, _, _, _) -> exit(Reason).
system_code_change(Owner, _, _, _) -> {ok, Owner}.
system_get_state(Owner) -> {ok, Owner}.
