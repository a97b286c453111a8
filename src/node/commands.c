#include "node/commands.h"

#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "node/node.h"

/* Its block has the arguments and all texts behind it. */
#define TEXT_BYTES_MAX ((size_t)1 << 20)

extern char **environ;

/* ---- Checking. */

static bool is_name(const char *name)
{
    size_t count;

    return name != NULL && name[0] != '\0' && npri_utf8_count(npr_bytes_of(name), &count, NULL) &&
           count <= NPRI_ATOM_CHARS_MAX;
}

static npr_status check_values(const struct npr_command *command, struct npr_error *err)
{
    if (command->arity > NPR_COMMAND_ANY || command->wire > NPR_COMMAND_PACKET4 ||
        command->overflow > NPR_OVERFLOW_DROP_OLDEST) {
        return npri_fail(err, NPR_EINVAL, "arity, wire or overflow is none");
    }
    if (command->start_ms == 0 || command->children_max == 0 || command->calls_max == 0 ||
        command->input_bytes_max == 0 || command->message_bytes_max == 0) {
        return npri_fail(err, NPR_EINVAL,
                         "start_ms, children_max, calls_max, input_bytes_max and "
                         "message_bytes_max may not be 0");
    }
    if (command->message_bytes_max > NPRI_COMMAND_MESSAGE_BYTES ||
        command->input_bytes_max > NPRI_COMMAND_MESSAGE_BYTES) {
        return npri_fail(err, NPR_EINVAL, "input_bytes_max or message_bytes_max is over %u",
                         NPRI_COMMAND_MESSAGE_BYTES);
    }
    return NPR_OK;
}

/* `*out_size` is of all its texts, `*out_count` of its arguments. */
static npr_status check(const struct npr_command *command,
                        size_t *out_size,
                        size_t *out_count,
                        struct npr_error *err)
{
    size_t size;
    size_t count = 0;

    if (command == NULL || command->struct_size != sizeof(*command)) {
        return npri_fail(err, NPR_EINVAL,
                         "one is not of this release: start from NPR_COMMAND_INIT");
    }
    if (!is_name(command->module) || !is_name(command->function)) {
        return npri_fail(err, NPR_EINVAL, "a module's or function's name is empty or too long");
    }
    if (command->argv == NULL || command->argv[0] == NULL || command->argv[0][0] == '\0') {
        return npri_fail(err, NPR_EINVAL, "%s:%s: no program", command->module, command->function);
    }
    size = strlen(command->module) + strlen(command->function) + 2;
    while (command->argv[count] != NULL && count <= NPRI_COMMAND_ARGS_MAX) {
        size += strlen(command->argv[count++]) + 1;
    }
    if (count > NPRI_COMMAND_ARGS_MAX || size > TEXT_BYTES_MAX) {
        return npri_fail(err, NPR_EINVAL, "%s:%s: too many arguments", command->module,
                         command->function);
    }
    *out_size = size;
    *out_count = count;
    return check_values(command, err);
}

/* What is given on to the behaviour is checked as any behaviour's. */
static npr_status check_behaviour(const struct npri_command *command, struct npr_error *err)
{
    const char *fault = npri_behaviour_fault(&command->behaviour);

    return fault == NULL ? NPR_OK
                         : npri_fail(err, NPR_EINVAL, "%s:%s: %s", command->options.module,
                                     command->options.function, fault);
}

/* ---- Copying. */

static char *put_text(char **to, const char *text)
{
    const size_t size = strlen(text) + 1;
    char *at = *to;

    memcpy(at, text, size);
    *to += size;
    return at;
}

static struct npri_command *copy(const struct npr_command *given, size_t size, size_t count)
{
    const uint32_t functions_count = given->arity == NPR_COMMAND_ANY ? NPR_COMMAND_ANY : 1;
    struct npri_command *command =
        npri_alloc_zeroed(1, sizeof(*command) + functions_count * sizeof(struct npr_function) +
                                 (count + 1) * sizeof(char *) + size);
    char **argv;
    char *to;

    if (command == NULL) {
        return NULL;
    }
    command->functions = (struct npr_function *)(void *)(command + 1);
    command->functions_count = functions_count;
    argv = (char **)(void *)(command->functions + functions_count);
    to = (char *)(argv + count + 1);
    command->self = command;
    command->options = *given;
    command->options.module = put_text(&to, given->module);
    command->options.function = put_text(&to, given->function);
    for (size_t i = 0; i < count; i++) {
        argv[i] = put_text(&to, given->argv[i]);
    }
    command->options.argv = argv;
    npri_list_init(&command->waiting);
    npri_command_process_init(&command->behaviour, command);
    for (uint32_t i = 0; i < functions_count; i++) {
        command->functions[i] = (struct npr_function){
            .name = command->options.function,
            .arity = (uint8_t)(given->arity == NPR_COMMAND_ANY ? i : given->arity),
            .behaviour = &command->behaviour};
    }
    return command;
}

/* The environment as it is now: later other threads of the program may change it. */
static char **copy_environment(void)
{
    size_t count = 0;
    size_t size = 0;
    char **copied;
    char *to;

    for (; environ[count] != NULL; count++) {
        size += strlen(environ[count]) + 1;
    }
    copied = npri_alloc_zeroed(1, (count + 1) * sizeof(char *) + size);
    if (copied == NULL) {
        return NULL;
    }
    to = (char *)(copied + count + 1);
    for (size_t i = 0; i < count; i++) {
        copied[i] = put_text(&to, environ[i]);
    }
    return copied;
}

/* ---- Life. */

static bool same_function(const struct npr_command *a, const struct npr_command *b)
{
    return strcmp(a->module, b->module) == 0 && strcmp(a->function, b->function) == 0 &&
           (a->arity == b->arity || a->arity == NPR_COMMAND_ANY || b->arity == NPR_COMMAND_ANY);
}

static npr_status add(struct npri_commands *commands,
                      const struct npr_command *given,
                      struct npr_error *err)
{
    struct npri_command *command;
    size_t size = 0;
    size_t count = 0;
    const npr_status status = check(given, &size, &count, err);

    if (status != NPR_OK) {
        return status;
    }
    for (size_t i = 0; i < commands->count; i++) {
        if (same_function(&commands->commands[i]->options, given)) {
            return npri_fail(err, NPR_EINVAL, "%s:%s is declared twice", given->module,
                             given->function);
        }
    }
    command = copy(given, size, count);
    if (command == NULL) {
        return npri_fail(err, NPR_ENOMEM, "out of memory");
    }
    command->all = commands;
    commands->commands[commands->count++] = command;
    return check_behaviour(command, err);
}

npr_status npri_commands_create(struct npr_node *node,
                                const struct npr_command *const *declarations,
                                size_t count,
                                struct npri_commands **out,
                                struct npr_error *err)
{
    struct npri_commands *commands;
    npr_status status = NPR_OK;

    if (count > 0 && declarations == NULL) {
        return npri_fail(err, NPR_EINVAL, "commands_count without commands");
    }
    commands = npri_alloc_zeroed(1, sizeof(*commands));
    if (commands == NULL) {
        return npri_fail(err, NPR_ENOMEM, "out of memory");
    }
    commands->node = node;
    commands->turn_ms = NPRI_COMMAND_TURN_MS;
    npri_list_init(&commands->throttled);
    commands->envp = copy_environment();
    commands->commands = npri_alloc_zeroed(count + 1, sizeof(struct npri_command *));
    if (commands->envp == NULL || commands->commands == NULL) {
        status = npri_fail(err, NPR_ENOMEM, "out of memory");
    }
    for (size_t i = 0; status == NPR_OK && i < count; i++) {
        status = add(commands, declarations[i], err);
    }
    if (status != NPR_OK) {
        npri_commands_destroy(commands);
        return status;
    }
    *out = commands;
    return NPR_OK;
}

void npri_commands_destroy(struct npri_commands *commands)
{
    if (commands == NULL) {
        return;
    }
    npri_timer_destroy(commands->refill);
    for (size_t i = 0; commands->commands != NULL && i < commands->count; i++) {
        npri_free(commands->commands[i]);
    }
    npri_free((void *)commands->commands);
    npri_free((void *)commands->envp);
    npri_free(commands);
}

static const struct npr_function *function_of(const struct npri_command *command, uint32_t arity)
{
    for (uint32_t i = 0; i < command->functions_count; i++) {
        if (command->functions[i].arity == arity) {
            return &command->functions[i];
        }
    }
    return NULL;
}

const struct npr_function *npri_commands_find(const struct npri_commands *commands,
                                              struct npr_bytes module,
                                              struct npr_bytes name,
                                              uint32_t arity)
{
    const struct npr_function *found = NULL;

    for (size_t i = 0; commands != NULL && found == NULL && i < commands->count; i++) {
        const struct npr_command *options = &commands->commands[i]->options;

        if (npri_bytes_equal(npr_bytes_of(options->module), module) &&
            npri_bytes_equal(npr_bytes_of(options->function), name)) {
            found = function_of(commands->commands[i], arity); /* or of another arity's */
        }
    }
    return found;
}
