/* sim/checks.h - what must hold, each with a name.  A checker knows what happened (who lived, who
 * was in touch, who was answered with what) and never asks a core whether it is right.
 *
 *     single     never two living processes of a key, unless their nodes were apart (touch.h), and
 *                not for longer than the bound after that
 *     token      each activation of a key has a greater token than all before it, as long as the
 *                nodes were not apart; with quorum also when they were
 *     answer     each request is answered once, by its deadline; a failure says why; a pid that is
 *                answered was alive, with the token that is told
 *     absence    "not found" only if no process lived under the key, in reach, all that time
 *     quorum     a node that can reach too few others starts nothing, and no two nodes of different
 *                views may start anything at the same time
 *     agreement  two nodes that have each other in their views are never agreed in different ones
 *     stall      a node that has slept so long that others may have taken it for lost tells nobody
 *                of its processes before it could hear of them
 *     conflict   of two processes the one with the lower token goes, then that on the lesser node
 *     settle     after the faults all comes to rest in time, and nothing that is dead has an entry
 *                (settle.h)
 *
 * When they allow what, and which promise each of them holds: docs/simulator.md. */
#ifndef SIM_CHECKS_H
#define SIM_CHECKS_H

#include "world.h"

#define SIM_CHECKERS "single token answer absence quorum agreement stall conflict settle"
bool sim_is_checker(const char *name);

/* Something is wrong: the first time is kept, and the run ends. */
void sim_fail(struct sim *sim, const char *checker, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A process is about to live under its key: single, token. */
void sim_check_birth(struct sim *sim, uint32_t process);

/* Once in a while: duplicates that were not put in order. */
void sim_check_doubles(struct sim *sim);

/* A client's request has been answered: answer, absence. */
void sim_check_answer(struct sim *sim,
                      const struct sim_request *request,
                      struct npr_bytes text,
                      uint64_t token);

/* Anybody's request has been answered: stall. */
void sim_check_stall(struct sim *sim, const struct sim_request *request);

/* Once in a while, and at the end: requests that were not answered. */
void sim_check_open(struct sim *sim);

/* A node decides to start a process: quorum. */
void sim_check_start(struct sim *sim, uint32_t node);

/* The same: no node of another view may start anything now. */
void sim_check_sides(struct sim *sim, uint32_t node);

/* A step of this node has ended: agreement. */
void sim_check_agreement(struct sim *sim, struct sim_node *node);

/* A node is told that `loser` loses against `winner`: conflict. */
void sim_check_conflict(struct sim *sim, uint32_t loser, uint32_t winner);

#endif /* SIM_CHECKS_H */
