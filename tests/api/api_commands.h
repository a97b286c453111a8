/* api_commands.h - one node with programs behind pids (nprocreg/command.h), which are small shell
 * scripts, put together of the pieces below.  A case declares its commands, then starts the node
 * nodes[0]; commands_teardown() ends both. */
#ifndef NPRI_TESTS_API_COMMANDS_H
#define NPRI_TESTS_API_COMMANDS_H

#include "api_nodes.h"

#include <sys/types.h>

#include "support/check.h"

/* What a script says of its start, and how it takes the number of a call off a line. */
#define SH_STARTED "IFS= read -r start; echo '{\"started\":true}'; "
#define SH_NUMBER  "n=${l#*:}; n=${n%%,*}; "
#define SH_LINES   "while IFS= read -r l; do "
#define SH_CALLS   SH_LINES "case \"$l\" in '{\"call\":'*) " SH_NUMBER
#define SH_DONE    ";; esac; done"

/* A call is answered with this JSON. */
#define SH_REPLY(json)      "printf '{\"reply\":%s,\"value\":%s}\\n' \"$n\" " json

#define COMMANDS_CASE(name) cmocka_unit_test_teardown(name, commands_teardown)

/* `t:NAME` is a script, which must live as long as the node; more can be set in what is returned.
 */
struct npr_command *commands_declare(const char *name, char *script);

/* The options of the node, with what has been declared, and with one module of the case's. */
struct npr_node_options commands_options(const struct npr_module *module);

void commands_start_node(void); /* with these options, and its log kept */
int commands_teardown(void **state);

/* NPRI_TEST_CASE=NAME runs that case only. */
void commands_pick_case(void);

/* The log has this text (a char *) in it: for nodes_wait(). */
bool commands_is_logged(void *text);

/* The process under `key`, started from t:NAME. */
struct npr_pid commands_get(const char *key, const char *name);

/* The start fails, and the error's text has this in it. */
void commands_check_start_fails(const char *name, const char *why);

/* A call's reply as text, or the reason of the callee's end (NPR_EEXIT); the text is the caller's.
 */
npr_status commands_call(const struct npr_pid *pid,
                         struct npr_term request,
                         uint32_t timeout_ms,
                         char **out_text);

/* The reply's text, which is the caller's. */
char *commands_reply_to(const struct npr_pid *pid, const char *request);

void commands_check_call(const struct npr_pid *pid, const char *request, const char *reply);

/* The call ends with the process, for this reason. */
void commands_check_call_ends(const struct npr_pid *pid, const char *request, const char *reason);

void commands_send_text(const struct npr_pid *pid, const char *message, bool is_cast);

/* The child's own number, which its script answers `pid` with. */
pid_t commands_os_pid(const struct npr_pid *pid);
bool commands_is_alive(pid_t pid);

#endif /* NPRI_TESTS_API_COMMANDS_H */
