/* system/hostile_peer.h - what each case is given, and who has them. */
#ifndef NPRI_SYSTEM_HOSTILE_PEER_H
#define NPRI_SYSTEM_HOSTILE_PEER_H

#include "system/rogue.h"

struct target {
    uint16_t port;
    char cookie[256];
    const char *victim; /* a live process of the node, as text */
};

struct hostile_case {
    const char *name;
    void (*run)(const struct target *target);
};

/* Prints what was expected and ends with exit code 1 unless `holds`. */
void expect(bool holds, const char *what);

/* A rogue under its usual name; exits when the target refuses it. */
void open_rogue(struct rogue *rogue, const struct target *target);

extern const struct hostile_case hostile_streams[];    /* bytes: before, in and after handshakes */
extern const struct hostile_case hostile_messages[];   /* what processes are sent */
extern const struct hostile_case hostile_registries[]; /* the registry's own protocol */
extern const struct hostile_case hostile_watchers[];   /* what native nodes tell each other of */
extern const struct hostile_case hostile_natives[];    /* watched keys, and of all that they own */

#endif /* NPRI_SYSTEM_HOSTILE_PEER_H */
