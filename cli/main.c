/* nprocreg - runs a node of the registry, and asks and operates any node from the shell. */
#include "commands.h"

#include <string.h>

static const struct command *const commands[] = {
    &command_node,       &command_get,   &command_why,       &command_term,   &command_keys,
    &command_watch,      &command_await, &command_nodes,     &command_status, &command_register,
    &command_unregister, &command_send,  &command_call,      &command_ps,     &command_info,
    &command_kill,       &command_drain, &command_conflicts,
};
#define COMMANDS_COUNT (sizeof(commands) / sizeof(commands[0]))

static void print_usage(FILE *out)
{
    (void)fprintf(out,
                  "usage: nprocreg COMMAND [ARGUMENT]... [OPTION]...\n\n"
                  "One live process per key, anywhere in the cluster: look it up, or start it.\n\n"
                  "Commands:\n");
    for (size_t i = 0; i < COMMANDS_COUNT; i++) {
        (void)fprintf(out, "  %-12s%s\n", commands[i]->name, commands[i]->summary);
    }
    (void)fprintf(
        out, "\n'nprocreg COMMAND --help' tells about one; 'nprocreg --version' the release.\n"
             "Exit codes: 0 done, 1 not found, 2 usage, 3 unreachable, 4 timeout, 5 refused.\n");
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS_COUNT; i++) {
        if (strcmp(commands[i]->name, name) == 0) {
            return commands[i];
        }
    }
    return NULL;
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct arguments arguments;

    switch (options_parse(command, argc, argv, &arguments)) {
    case PARSE_RUN:
        return (int)command->run(&arguments);
    case PARSE_HELP:
        options_help(command, stdout);
        return EXIT_DONE;
    case PARSE_ERROR:
        break;
    }
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    const struct command *command;

    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        if (argc > 2 && (command = find_command(argv[2])) != NULL) {
            options_help(command, stdout);
        } else {
            print_usage(stdout);
        }
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("nprocreg %s\n", npr_version());
        return EXIT_DONE;
    }
    command = find_command(argv[1]);
    if (command == NULL) {
        (void)fprintf(stderr, "nprocreg: no command '%s' (see 'nprocreg --help')\n", argv[1]);
        return EXIT_USAGE;
    }
    return run_command(command, argc - 1, argv + 1);
}
