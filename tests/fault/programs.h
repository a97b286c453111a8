/* programs.h - programs under test, as children that die with the harness. */
#ifndef NPRI_TESTS_FAULT_PROGRAMS_H
#define NPRI_TESTS_FAULT_PROGRAMS_H

#include "network.h"

#define PROGRAM_WORDS_MAX 48

struct program {
    const char *words[PROGRAM_WORDS_MAX]; /* what execvp() gets; ends with NULL */
    const char *role; /* FAULT_ROLE, FAULT_NAME and FAULT_RUN; NULL: none of them */
    unsigned index;
    uint32_t run;
    const char *referee; /* FAULT_REFEREE */
    const char *home;    /* HOME: where Erlang looks for its cookie; NULL: as it is */
    const char *output;  /* standard output goes there; NULL: with the errors */
    const char *log;     /* standard error is added there */
};

/* Adds a word, borrowed. */
void program_add(struct program *program, const char *word);

/* Starts it where `node` is.  Exits with a message when that is not possible. */
pid_t program_start(const struct network *network, unsigned node, const struct program *program);

/* Waits for its end: the exit status, or 128 + the signal. */
int program_wait(pid_t pid);

/* The same up to `deadline_ns`; -1: it goes on. */
int program_wait_until(pid_t pid, uint64_t deadline_ns);

/* Whether the file has a line that begins so. */
bool program_said(const char *path, const char *line_start);

/* Between two looks at something that nothing announces. */
void program_pause_ms(unsigned ms);

#endif /* NPRI_TESTS_FAULT_PROGRAMS_H */
