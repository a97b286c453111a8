/* core/claim.h, very many at once: a peer that fills this node's memory, an honest one whose
 * registrations fail because they are many, and one peer that takes the room of another are what
 * can go wrong.  Keys are long here, so that some hundreds of claims are very many. */
#include "core_claims.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "support/check.h"
#include "term/tag.h"
#include "term/write.h"

#define KEY_BYTES 50000u
#define NEVER     (2 * (unsigned)(NPRI_CLAIMS_BYTES_MAX / KEY_BYTES))
#define OWN       700u

static bool did(const struct core_host *host, const char *what)
{
    return strstr(host->trace, what) != NULL;
}

/* The last letter says who owns it.  Borrowed until the next call. */
static struct npr_term long_key(unsigned number, char owner)
{
    static uint8_t key[KEY_BYTES + 5] = {NPRI_TAG_BINARY, 0, 0, KEY_BYTES >> 8, KEY_BYTES & 0xff};

    memcpy(key + 5, &number, sizeof(number));
    key[sizeof(key) - 1] = (uint8_t)owner;
    return (struct npr_term){.data = key, .size = sizeof(key)};
}

/* ---- A peer that claims. */

static void told(struct core_host *host, const char *node, const struct npri_buffer *message)
{
    assert_int_equal(host_step(host, (struct npri_core_event){.kind = NPRI_EVENT_TOLD,
                                                              .node = host_node(node),
                                                              .term = {.data = message->data,
                                                                       .size = message->size}}),
                     NPR_OK);
}

static void told_busy(struct core_host *host, const char *node)
{
    struct npri_buffer message = {0};

    npri_put_tuple(&message, 5);
    npri_put_atom(&message, "busy");
    npri_put_uint(&message, 7);
    npri_put_uint(&message, 100);
    npri_put_term(&message, long_key(0, 'a'));
    npri_put_uint(&message, 0);
    told(host, node, &message);
    npri_buffer_fini(&message);
}

static void told_claim(struct core_host *host, const char *node, unsigned ref, bool release)
{
    struct npri_buffer message = {0};

    npri_put_tuple(&message, release ? 4 : 6);
    npri_put_atom(&message, release ? "release" : "claim");
    npri_put_uint(&message, ref);
    npri_put_term(&message, long_key(0, 'a'));
    if (!release) {
        npri_put_term(&message, host_pid_term("b.1"));
        npri_put_atom(&message, "true");
    }
    npri_put_uint(&message, 86400000);
    host_forget_trace(host);
    told(host, node, &message);
    npri_buffer_fini(&message);
}

/* Of b, for a key that another node is starting, until one is refused: how many wait. */
static unsigned fill(struct core_host *host, bool release)
{
    for (unsigned i = 1; i < NEVER; i++) {
        told_claim(host, "b", i, release);
        if (did(host, "TELL b {unclaimed,")) {
            return i - 1;
        }
        assert_false(did(host, "TELL b"));
    }
    return NEVER;
}

/* Would catch: claims or releases that are kept without end; a refusal that ends an honest node's
 * registration; a peer that is refused because of another one's; room that does not come back; a
 * line in the log for each. */
static void a_peer_has_so_many_claims_and_no_more(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        const bool release = i == 1;
        struct core_host host;
        unsigned waiting;

        host_init_settled(&host, "b c");
        host.quiet = false;
        told_busy(&host, "c");
        waiting = fill(&host, release);
        assert_in_range(waiting, NPRI_CLAIMS_ASKED_BYTES_MAX / KEY_BYTES, NEVER - 1);
        assert_true(did(&host, ",moved,<<\"too many of its registrations wait here\">>}\n"));
        assert_true(did(&host, "claims_refused node=b@h"));
        assert_int_equal(fill(&host, release), 0);
        assert_false(did(&host, "LOG"));
        told_claim(&host, "c", 9, release);
        assert_false(did(&host, "TELL c {unclaimed"));
        host_disconnected(&host, "b");
        host_connected(&host, "b");
        host_greeted(&host, "b", NPR_OTP_26);
        told_claim(&host, "b", 1, release);
        assert_false(did(&host, "TELL b {unclaimed"));
        host_fini(&host);
    }
}

/* ---- This node claims. */

/* How many claims the core has told since the last look. */
static uint64_t look(struct core_host *host)
{
    const uint64_t bytes = host->told_bytes;

    host->told_bytes = 0;
    host_forget_trace(host);
    return bytes / KEY_BYTES;
}

static void claim(struct core_host *host, uint64_t request)
{
    assert_int_equal(
        host_step(host,
                  (struct npri_core_event){.kind = NPRI_EVENT_REGISTER,
                                           .request = request,
                                           .key = long_key((unsigned)request, 'b'),
                                           .term = host_pid_term("a.1"),
                                           .keep = true,
                                           .deadline_ns = host->now_ns + (5000 + request) * MS}),
        NPR_OK);
}

/* OWN claims of keys that b owns: of how many it is asked. */
static uint64_t claim_all(struct core_host *host)
{
    host->only_told = true;
    (void)look(host);
    for (unsigned i = 1; i <= OWN; i++) {
        claim(host, i);
    }
    return look(host);
}

/* b's answer to the claim of that number; what the core makes of it is in the trace. */
static void told_taken(struct core_host *host, uint64_t ref)
{
    struct npri_buffer message = {0};

    npri_put_tuple(&message, 4);
    npri_put_atom(&message, "taken");
    npri_put_uint(&message, ref);
    npri_put_term(&message, host_pid_term("b.7"));
    npri_put_uint(&message, 5);
    told(host, "b", &message);
    npri_buffer_fini(&message);
}

/* Would catch: an owner that is asked for more than it has room for; claims that are forgotten, or
 * fail, because they are many; those that come first, and are asked last. */
static void an_owner_is_asked_no_more_than_it_can_keep(void **state)
{
    struct core_host host;
    uint64_t asked;

    (void)state;
    host_init_settled(&host, "b");
    asked = claim_all(&host);
    assert_in_range(asked, 100, NPRI_CLAIMS_ASKED_BYTES_MAX / KEY_BYTES);
    for (uint64_t ref = 1; ref <= OWN; ref++) { /* each answer is room for another one */
        told_taken(&host, ref);
        assert_true(did(&host, "ANSWER "));
        assert_int_equal(strtoull(strstr(host.trace, "ANSWER ") + 7, NULL, 10), ref);
        host_pass(&host, 10);
        assert_int_equal(look(&host), asked < OWN ? 1 : 0);
        asked += asked < OWN ? 1 : 0;
    }
    host_fini(&host);
}

/* Would catch: room that those whose time was up have taken along; one that is asked for before
 * those that were there first. */
static void those_whose_time_is_up_make_room(void **state)
{
    struct core_host host;
    uint64_t asked;

    (void)state;
    host_init_settled(&host, "b");
    asked = claim_all(&host);
    host.now_ns += 4000 * MS;
    claim(&host, OWN + 1);
    assert_int_equal(look(&host), 0);
    for (uint64_t ref = 1; ref <= 2; ref++) {
        told_taken(&host, ref);
    }
    claim(&host, OWN + 2); /* Its turn is not now, though there is room. */
    assert_int_equal(look(&host), 0);
    host_pass(&host, 10);
    assert_int_equal(look(&host), 2);
    while (host.now_ns < (6000 + OWN) * MS) {
        host_pass(&host, 100 * MS);
        host_forget_trace(&host);
    }
    assert_int_equal(look(&host), OWN - asked); /* and the two that came later */
    host_fini(&host);
}

/* Would catch: a claim that waits for its turn at a node that owns its key no more. */
static void a_turn_ends_with_the_view(void **state)
{
    struct core_host host;
    unsigned answered = 0;

    (void)state;
    host_init_settled(&host, "b");
    (void)claim_all(&host);
    host_disconnected(&host, "b");
    host_disconnected(&host, "b"); /* nor can it be dialled */
    (void)host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_TIME});
    for (unsigned i = 0; i < 200; i++) {
        for (const char *at = host.trace; (at = strstr(at, "ANSWER ")) != NULL; at++) {
            answered += strstr(at, " OK") != NULL ? 1 : 0;
        }
        host_forget_trace(&host);
        host_pass(&host, 10 * MS);
    }
    assert_int_equal(answered, OWN); /* they are this node's by now */
    host_fini(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_has_so_many_claims_and_no_more),
        cmocka_unit_test(an_owner_is_asked_no_more_than_it_can_keep),
        cmocka_unit_test(those_whose_time_is_up_make_room),
        cmocka_unit_test(a_turn_ends_with_the_view),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
