#include "programs.h"

#include "report.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void program_add(struct program *program, const char *word)
{
    size_t count = 0;

    while (program->words[count] != NULL) {
        count++;
    }
    if (count + 1 >= PROGRAM_WORDS_MAX) {
        abort();
    }
    program->words[count] = word;
}

static void set_number(const char *name, unsigned value)
{
    char text[16];

    (void)snprintf(text, sizeof(text), "%u", value);
    (void)setenv(name, text, 1);
}

static void set_environment(const struct program *program)
{
    (void)unsetenv("NPROCREG_NODE");
    (void)setenv("ERL_CRASH_DUMP_SECONDS", "0", 1);
    if (program->home != NULL) {
        (void)setenv("HOME", program->home, 1);
    }
    if (program->role != NULL) {
        (void)setenv("FAULT_REFEREE", program->referee, 1);
        (void)setenv("FAULT_ROLE", program->role, 1);
        set_number("FAULT_NAME", program->index);
        set_number("FAULT_RUN", program->run);
    }
}

static void redirect(int target, const char *path, int flags)
{
    const int fd = open(path, O_WRONLY | O_CREAT | flags, 0600);

    if (fd < 0 || dup2(fd, target) < 0) {
        _exit(127);
    }
    (void)close(fd);
}

pid_t program_start(const struct network *network, unsigned node, const struct program *program)
{
    char *words[PROGRAM_WORDS_MAX];
    const pid_t harness = getpid();
    pid_t pid;

    memcpy(words, program->words, sizeof(words)); /* exec's type lacks a const */
    (void)fflush(NULL);
    pid = fork();
    if (pid < 0) {
        perror("fork");
        exit(2);
    }
    if (pid > 0) {
        return pid;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != harness) {
        _exit(127);
    }
    set_environment(program);
    network_enter(network, node);
    redirect(STDIN_FILENO, "/dev/null", O_CREAT);
    redirect(STDERR_FILENO, program->log, O_APPEND);
    if (program->output == NULL) {
        (void)dup2(STDERR_FILENO, STDOUT_FILENO);
    } else {
        redirect(STDOUT_FILENO, program->output, O_TRUNC);
    }
    (void)execvp(words[0], words);
    perror(words[0]);
    _exit(127);
}

static int exit_status(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int program_wait(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) != pid) {
    }
    return exit_status(status);
}

int program_wait_until(pid_t pid, uint64_t deadline_ns)
{
    int status = 0;

    while (waitpid(pid, &status, WNOHANG) != pid) {
        if (report_now_ns() > deadline_ns) {
            return -1;
        }
        program_pause_ms(2);
    }
    return exit_status(status);
}

bool program_said(const char *path, const char *line_start)
{
    FILE *file = fopen(path, "re");
    char line[1024];
    bool found = false;

    while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL) {
        found = strncmp(line, line_start, strlen(line_start)) == 0;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}

void program_pause_ms(unsigned ms)
{
    const struct timespec pause = {.tv_sec = (time_t)(ms / 1000),
                                   .tv_nsec = (long)(ms % 1000) * 1000000L};

    (void)nanosleep(&pause, NULL);
}
