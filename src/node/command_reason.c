#include "node/command_reason.h"

#include <signal.h>

void npri_command_build_text(struct npr_builder *out, const char *word, const char *text)
{
    npr_build_tuple(out, 2);
    npr_build_atom(out, word);
    npr_build_text(out, text);
}

/* NULL: it has no name here. */
static const char *signal_name(int number)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {{SIGHUP, "SIGHUP"},   {SIGINT, "SIGINT"},   {SIGQUIT, "SIGQUIT"},
                 {SIGILL, "SIGILL"},   {SIGTRAP, "SIGTRAP"}, {SIGABRT, "SIGABRT"},
                 {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},   {SIGKILL, "SIGKILL"},
                 {SIGUSR1, "SIGUSR1"}, {SIGSEGV, "SIGSEGV"}, {SIGUSR2, "SIGUSR2"},
                 {SIGPIPE, "SIGPIPE"}, {SIGALRM, "SIGALRM"}, {SIGTERM, "SIGTERM"},
                 {SIGXCPU, "SIGXCPU"}, {SIGXFSZ, "SIGXFSZ"}, {SIGSYS, "SIGSYS"}};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].number == number) {
            return names[i].name;
        }
    }
    return NULL;
}

void npri_command_build_end(struct npr_builder *out, const struct npri_exec_end *end, bool started)
{
    const char *name = end->how == NPRI_EXEC_KILLED ? signal_name(end->value) : NULL;

    if (end->how == NPRI_EXEC_EXITED && end->value == 0 && started) {
        npr_build_atom(out, "normal");
        return;
    }
    npr_build_tuple(out, 2);
    npr_build_atom(out, end->how == NPRI_EXEC_KILLED ? "signal" : "exit_status");
    if (end->how == NPRI_EXEC_STOLEN) {
        npr_build_atom(out, "unknown");
    } else if (name != NULL) {
        npr_build_atom(out, name);
    } else {
        npr_build_int(out, end->value);
    }
}
