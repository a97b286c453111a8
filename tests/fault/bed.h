/* bed.h - the test bed: nodes and clients as processes, a network between them, a referee; and what
 * can be done to them.  Whatever is done is in the referee's book, in the order in which it can
 * have effects: a cut before it is made, a mending after it is.
 *
 * One thread.  What cannot be waited for any longer is a fault, and is said. */
#ifndef NPRI_TESTS_FAULT_BED_H
#define NPRI_TESTS_FAULT_BED_H

#include "chart.h"
#include "network.h"

struct bed_options {
    const char *command;   /* nprocreg */
    const char *witness;   /* the module */
    const char *asker;     /* the client program */
    const char *ebin;      /* folders with .beam files for original nodes, separated by colons */
    const char *directory; /* for logs; exists */
    enum network_kind network;
    unsigned nodes_count;     /* native */
    unsigned originals_count; /* Erlang nodes after them */
    unsigned clients_count;
    uint32_t keys_count;
    unsigned clings_count; /* so many of the clients stay with what they have found */
    unsigned quorum;       /* of the native nodes; 0: none */
    const char *placement; /* NULL: original */
    const char *function;  /* of the witness; NULL: start */
    uint32_t end_permille; /* of the requests, after which the process is to end */
    uint32_t call_ms;      /* the clients' time-out */
    uint32_t settle_ms;    /* within that, all is as it should be */
    uint64_t seed;
    FILE *narration; /* what is done and seen, a line each */
};

struct bed;

/* The network and the referee; nothing runs yet. */
struct bed *bed_open(const struct bed_options *options);

/* Ends everything; all reports are in the book then.  Judges, prints, and returns the number of
 * faults; writes the chart to `chart_path` unless NULL. */
size_t bed_close(struct bed *bed, const char *title, const char *chart_path);

unsigned bed_nodes_count(const struct bed *bed); /* original ones, too */
bool bed_is_original(const struct bed *bed, unsigned node);
bool bed_is_running(const struct bed *bed, unsigned node);

/* For clients in this program: what they must know, and the calling thread moved to where the node
 * is (cables only; threads that it starts are there, too). */
const char *bed_name(const struct bed *bed, unsigned node);
const char *bed_cookie(const struct bed *bed);
void bed_enter(const struct bed *bed, unsigned node);

/* Starts a node, and waits until it serves. */
void bed_start(struct bed *bed, unsigned node);
/* Starts the clients, client i where node i mod n is; waits until some call was answered. */
void bed_start_clients(struct bed *bed);

void bed_kill(struct bed *bed, unsigned node);      /* SIGKILL */
void bed_terminate(struct bed *bed, unsigned node); /* SIGTERM; waits for its end */
/* `nprocreg drain`: hands its keys over, and goes on serving.  A call that fails meanwhile is a
 * fault, and anything that is left. */
void bed_drain(struct bed *bed, unsigned node);
void bed_pause(struct bed *bed, unsigned node);  /* SIGSTOP */
void bed_resume(struct bed *bed, unsigned node); /* SIGCONT */

/* Nodes reach each other that are in the same of these sets, and no others. */
void bed_partition(struct bed *bed, const uint32_t *sides, size_t sides_count);
/* Proxies only: nothing gets from one node to another, but the other way. */
void bed_cut_way(struct bed *bed, unsigned from, unsigned to);
void bed_delay(struct bed *bed, unsigned a, unsigned b, uint32_t delay_ms);
void bed_reset(struct bed *bed, unsigned a, unsigned b);
/* All nodes reach each other again, without delay. */
void bed_heal(struct bed *bed);

/* Waits until each of these nodes has exactly the nodes of the set in its view.  False, and a
 * fault: not within the time to settle. */
bool bed_wait_views(struct bed *bed, uint32_t of_nodes, uint32_t view);

/* Lets the clients go on for that long. */
void bed_go_on_ms(struct bed *bed, unsigned ms);

/* Waits until every running node has all of them in its view, no key has two processes, and every
 * node gives the same process for each key, the one that lives.  Prints how long it took.  False,
 * and a fault: not within the time to settle. */
bool bed_settle(struct bed *bed);

/* ---- What only some cases look at.  Each waits, up to the time to settle, and notes a fault. */

/* Starts some keys that no client asks for, by way of the node: they are on any node. */
void bed_start_spares(struct bed *bed, unsigned node);

/* The node starts nothing, and says that its side has so few of the nodes that the quorum needs,
 * and who is missing. */
void bed_wait_refusal(struct bed *bed, unsigned node, uint32_t side);

/* The nodes of a side find what lives there, and nothing else. */
void bed_wait_finds_own(struct bed *bed, uint32_t side);

/* All processes that the node had then, and still has, were told of the quorum; there are some. */
void bed_wait_told(struct bed *bed, unsigned node, uint64_t before_ns, bool regained);

/* Two sides have started the same key. */
void bed_wait_double(struct bed *bed);

/* Some processes have lost their keys; all of them have ended, or none. */
void bed_wait_losers(struct bed *bed, bool end);

/* The nodes' journals have all that have lost their keys, and to whom. */
void bed_wait_journals(struct bed *bed);

/* Some of what was sent to losers has been done by winners. */
void bed_wait_passed_on(struct bed *bed);

/* Judges what has happened so far, without a word.  Returns the number of faults. */
size_t bed_judge(struct bed *bed);

/* A line of the narration, with the seconds since the start. */
void bed_say(const struct bed *bed, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif /* NPRI_TESTS_FAULT_BED_H */
