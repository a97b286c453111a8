/* cli/commands.h - the commands, one file each (or one for a few of a kind). */
#ifndef NPR_CLI_COMMANDS_H
#define NPR_CLI_COMMANDS_H

#include "options.h"

extern const struct command command_node;
extern const struct command command_get;
extern const struct command command_why;
extern const struct command command_term;
extern const struct command command_keys;
extern const struct command command_watch;
extern const struct command command_await;
extern const struct command command_nodes;
extern const struct command command_status;
extern const struct command command_register;
extern const struct command command_unregister;
extern const struct command command_send;
extern const struct command command_call;
extern const struct command command_ps;
extern const struct command command_info;
extern const struct command command_kill;
extern const struct command command_drain;
extern const struct command command_conflicts;

#endif /* NPR_CLI_COMMANDS_H */
