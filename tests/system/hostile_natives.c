/* A peer that greets as a native node, and says of keys what it likes.  It never agrees to a view,
 * so that whatever it asks for waits. */
#include <stdio.h>

#include "system/hostile_peer.h"

/* Also where all is slower there are to be more than there is room for. */
#define CLAIMS      (HOSTILE_SCALE == 1 ? 300000u : 60000u)
#define ANSWERED_MS 20000
#define LINE_BYTES  512

#define TO_NATIVE   "{6," SELF ",'',nprocreg_native}"
#define TO_NPROCREG "{6," SELF ",'',nprocreg}"

static unsigned refused;

static void on_told(struct rogue *rogue, const struct npri_control *control)
{
    struct npr_term parts[4];

    (void)rogue;
    if (control->kind == NPRI_CONTROL_REG_SEND && npr_term_get_tuple(control->payload, 4, parts) &&
        npr_term_is_atom(parts[0], "unclaimed") && npr_term_is_atom(parts[2], "moved")) {
        refused++;
    }
}

static void open_native(struct rogue *rogue, const struct target *target)
{
    open_rogue(rogue, target);
    rogue->on_control = on_told;
    rogue_say(rogue, TO_NATIVE,
              "{hello,3,'" ROGUE_NAME "',26,#{heartbeat => 500,node_timeout => 3000,oldest => 3,"
              "placement => original,quorum => 0}}");
    rogue_say(rogue, TO_NATIVE, "{view,1,1,1,0,0,false}");
}

/* Waits until all that was sent has been dealt with, or the node has had enough. */
static void settle(struct rogue *rogue)
{
    const unsigned sends = rogue->received[NPRI_CONTROL_SEND];

    rogue_say(rogue, TO_NPROCREG, "{'$gen_call',{" SELF "," REF "},get_status}");
    while (rogue->received[NPRI_CONTROL_SEND] == sends && !rogue->closed) {
        expect(rogue_wait(rogue, rogue->received_all + 1, ANSWERED_MS) || rogue->closed,
               "an answer to the last call");
    }
}

/* Registrations, and their ends, that may wait for a day. */
static void many_claims(const struct target *target)
{
    struct rogue rogue;
    char text[LINE_BYTES];

    open_native(&rogue, target);
    for (unsigned i = 1; i <= CLAIMS && !rogue.closed; i++) {
        if (i % 2 == 0) {
            (void)snprintf(text, sizeof(text), "{release,%u,{claimed,%u},86400000}", i, i);
        } else {
            (void)snprintf(text, sizeof(text), "{claim,%u,{claimed,%u}," SELF ",true,86400000}", i,
                           i);
        }
        rogue_say(&rogue, TO_NATIVE, text);
    }
    settle(&rogue);
    expect(refused > 0 || rogue.closed, "claims are refused beyond their number");
    rogue_close(&rogue);
}

/* The parts, with the number between each two of them. */
static void write_form(char *text, size_t size, const char *const parts[4], unsigned number)
{
    size_t used = 0;

    for (unsigned i = 0; i < 4 && parts[i] != NULL && used < size; i++) {
        const bool last = i == 3 || parts[i + 1] == NULL;

        used += (size_t)(last ? snprintf(text + used, size - used, "%s", parts[i])
                              : snprintf(text + used, size - used, "%s%u", parts[i], number));
    }
}

/* Entries and starts of everything, handovers of what nobody has. */
static void false_words(const struct target *target)
{
    /* Each number of them, in its place. */
    static const char *const forms[][4] = {
        {"{push,1,", ",[{{k,", "}," SELF ",", "}]}"},
        {"{busy,1,", ",{b,", "},", "}"},
        {"{free,1,", ",{k,", "},undefined}", NULL},
        {"{handover,", ",{h,", "}," SELF ",fun counter:start/0,", ",5}"},
        {"{adopt,", ",{h,", "}," SELF ",", "}"},
        {"{handed,", "," SELF ",", "}", NULL},
        {"{unhanded,", ",moved,<<\"no ", "\">>}", NULL},
        {"{claimed,", ",{k,", "}," SELF ",", "}"},
        {"{declined,{k,", "},", "}", NULL},
        {"{drop,{k,", "}," SELF "}", NULL, NULL},
        {"{conflict,{k,", "}," SELF ",", "," SELF ",", "}"},
    };
    struct rogue rogue;
    char text[LINE_BYTES];

    open_native(&rogue, target);
    for (unsigned i = 1; i <= CLAIMS / 3 && !rogue.closed; i++) {
        write_form(text, sizeof(text), forms[i % (sizeof(forms) / sizeof(forms[0]))], i);
        rogue_say(&rogue, TO_NATIVE, text);
    }
    settle(&rogue);
    rogue_close(&rogue);
    open_native(&rogue, target);
    rogue_say(&rogue, TO_NATIVE, "{adopt,0,none," SELF ",5}");
    expect(rogue_wait_closed(&rogue, ANSWERED_MS), "a number that is none ends the connection");
    rogue_close(&rogue);
}

const struct hostile_case hostile_natives[] = {
    {"many_claims", many_claims},
    {"false_words", false_words},
    {NULL, NULL},
};
