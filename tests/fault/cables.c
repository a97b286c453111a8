#include "cables.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX       20
#define BATCH_BYTES_MAX 1024

struct cables {
    unsigned nodes_count;
    int switches; /* descriptor of the namespace that the switches are in */
    int nodes[NETWORK_NODES_MAX];
    int plugged[NETWORK_NODES_MAX]; /* which switch; -1: the cable is pulled */
};

static void give_up(const char *what)
{
    perror(what);
    exit(2);
}

/* A namespace of nobody yet: it lives as long as the descriptor, and whoever has entered it. */
static int new_namespace(void)
{
    int ready[2];
    char path[64];
    char byte = 0;
    pid_t child;
    int fd;

    if (pipe(ready) < 0) {
        return -1;
    }
    child = fork();
    if (child == 0) {
        byte = unshare(CLONE_NEWNET) == 0 ? 'y' : 'n';
        if (write(ready[1], &byte, 1) == 1) {
            (void)pause();
        }
        _exit(0);
    }
    (void)close(ready[1]);
    if (child < 0 || read(ready[0], &byte, 1) != 1) {
        byte = 'n';
    }
    (void)close(ready[0]);
    (void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)child);
    fd = byte == 'y' ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (child > 0) {
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
    }
    return fd;
}

/* Runs `ip ...` in a namespace; the words are separated by single blanks. */
static bool ip(int namespace, bool quiet, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool ip(int namespace, bool quiet, const char *format, ...)
{
    char text[256];
    char *words[WORDS_MAX] = {NULL};
    size_t count = 0;
    va_list arguments;
    int status = -1;
    pid_t child;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    words[count++] = text;
    for (char *at = text; *at != '\0' && count < WORDS_MAX - 1; at++) {
        if (*at == ' ') {
            *at = '\0';
            words[count++] = at + 1;
        }
    }
    child = fork();
    if (child == 0) {
        const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

        if (quiet && null >= 0) {
            (void)dup2(null, STDERR_FILENO);
        }
        if (setns(namespace, CLONE_NEWNET) == 0) {
            (void)execvp(words[0], words);
        }
        _exit(127);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

bool cables_allowed(void)
{
    const int fd = new_namespace();
    bool allowed;

    if (fd < 0) {
        return false;
    }
    allowed = ip(fd, true, "ip link add br0 type bridge") &&
              ip(fd, true, "ip link add s0 type veth peer name e0");
    (void)close(fd);
    return allowed;
}

const char *cables_address(unsigned node)
{
    static const char *const addresses[NETWORK_NODES_MAX] = {"10.77.0.1", "10.77.0.2", "10.77.0.3",
                                                             "10.77.0.4", "10.77.0.5", "10.77.0.6",
                                                             "10.77.0.7", "10.77.0.8"};

    return addresses[node];
}

static void lay_cable(struct cables *cables, unsigned node)
{
    const int here = cables->switches;

    cables->nodes[node] = new_namespace();
    if (cables->nodes[node] < 0 ||
        !ip(here, false, "ip link add s%u type veth peer name e0 netns /proc/%d/fd/%d", node,
            (int)getpid(), cables->nodes[node]) ||
        !ip(here, false, "ip link set s%u master br0 up", node) ||
        !ip(cables->nodes[node], false, "ip addr add %s/24 dev e0", cables_address(node)) ||
        !ip(cables->nodes[node], false, "ip link set e0 up") ||
        !ip(cables->nodes[node], false, "ip link set lo up")) {
        give_up("cables: a node's cable");
    }
}

struct cables *cables_open(unsigned nodes_count)
{
    struct cables *cables = calloc(1, sizeof(*cables));

    if (cables == NULL) {
        give_up("cables");
    }
    cables->nodes_count = nodes_count;
    cables->switches = new_namespace();
    if (cables->switches < 0) {
        give_up("cables: namespace");
    }
    for (unsigned i = 0; i < nodes_count; i++) { /* one for each side that there may be */
        if (!ip(cables->switches, false, "ip link add br%u type bridge", i) ||
            !ip(cables->switches, false, "ip link set br%u up", i)) {
            give_up("cables: switch");
        }
    }
    for (unsigned i = 0; i < nodes_count; i++) {
        lay_cable(cables, i);
    }
    return cables;
}

void cables_close(struct cables *cables)
{
    for (unsigned i = 0; i < cables->nodes_count; i++) {
        (void)close(cables->nodes[i]);
    }
    (void)close(cables->switches);
    free(cables);
}

void cables_enter(const struct cables *cables, unsigned node)
{
    if (setns(cables->nodes[node], CLONE_NEWNET) != 0) {
        _exit(127);
    }
}

/* Runs all of the commands in one process: what one of them tears apart for a moment the next one
 * joins again before anybody notices, on a busy machine, too. */
static bool ip_batch(int namespace, const char *commands)
{
    const size_t size = strlen(commands);
    int status = -1;
    int pipes[2];
    pid_t child;

    if (pipe(pipes) < 0) {
        return false;
    }
    child = fork();
    if (child == 0) {
        (void)dup2(pipes[0], STDIN_FILENO);
        (void)close(pipes[1]);
        if (setns(namespace, CLONE_NEWNET) == 0) {
            (void)execlp("ip", "ip", "-batch", "-", (char *)NULL);
        }
        _exit(127);
    }
    if (write(pipes[1], commands, size) != (ssize_t)size) { /* It fits into the pipe. */
        give_up("cables: ip");
    }
    (void)close(pipes[0]);
    (void)close(pipes[1]);
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* A node that reaches nobody has its cable pulled; the others of one side share a switch, the one
 * with the number of the side's first node. */
void cables_reach(struct cables *cables, const uint32_t reach[NETWORK_NODES_MAX])
{
    char commands[BATCH_BYTES_MAX] = "";
    size_t size = 0;

    for (unsigned i = 0; i < cables->nodes_count; i++) {
        const uint32_t others = reach[i] & ~(1U << i) & ((1U << cables->nodes_count) - 1);
        const int side = others == 0 ? -1 : __builtin_ctz(others | 1U << i);

        if (side == cables->plugged[i]) {
            continue;
        }
        size += (size_t)(side < 0 ? snprintf(commands + size, sizeof(commands) - size,
                                             "link set s%u down\n", i)
                                  : snprintf(commands + size, sizeof(commands) - size,
                                             "link set s%u master br%d up\n", i, side));
        cables->plugged[i] = side;
    }
    if (size > 0 && !ip_batch(cables->switches, commands)) {
        give_up("cables: plugging");
    }
}
