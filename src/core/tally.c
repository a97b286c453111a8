#include "core/tally.h"

#include "base/assert.h"
#include "core/agreement.h"
#include "core/state.h"

#define BIT(kind) (1u << (kind))

/* What depends on our own view, too. */
#define OF_VIEWS (BIT(NPRI_TALLY_DIFFERS) | BIT(NPRI_TALLY_DISSENTS))

static unsigned bits_of_peer(const struct npri_core *core, const struct npri_peer *peer)
{
    const bool member = peer->in_view && !peer->self;
    const bool tells = npri_views_tells(core, peer);
    const bool awaited = npri_agreement_is_awaited(peer);
    unsigned bits = 0;

    bits |= awaited ? BIT(NPRI_TALLY_AWAITED) : 0;
    bits |= peer->settling && !peer->seen && !awaited ? BIT(NPRI_TALLY_MET) : 0;
    bits |= tells ? BIT(NPRI_TALLY_TELLING) : 0;
    bits |= tells && !member ? BIT(NPRI_TALLY_LEFT_OUT) : 0;
    bits |= member && peer->native && !peer->lending.marked ? BIT(NPRI_TALLY_UNMARKED) : 0;
    bits |= member && !peer->native ? BIT(NPRI_TALLY_ORIGINAL) : 0;
    return bits;
}

static unsigned bits_of_views(const struct npri_core *core, const struct npri_peer *peer)
{
    const bool same = peer->told.is && peer->told.sees_hash == core->views.sees_hash;
    unsigned bits = 0;

    bits |= npri_views_tells(core, peer) && !same ? BIT(NPRI_TALLY_DIFFERS) : 0;
    bits |= npri_agreement_dissents(core, peer) ? BIT(NPRI_TALLY_DISSENTS) : 0;
    return bits;
}

static void set_bits(struct npri_core *core, struct npri_peer *peer, unsigned bits)
{
    const unsigned changed = peer->tallied ^ bits;

    peer->tallied = bits;
    for (unsigned kind = 0; changed >> kind != 0; kind++) {
        if ((changed & BIT(kind)) == 0) {
            continue;
        }
        if ((bits & BIT(kind)) != 0) {
            core->tally.counts[kind]++;
        } else {
            NPRI_ASSERT(core->tally.counts[kind] > 0);
            core->tally.counts[kind]--;
        }
    }
}

void npri_tally(struct npri_core *core, struct npri_peer *peer)
{
    set_bits(core, peer, bits_of_peer(core, peer) | bits_of_views(core, peer));
}

void npri_tally_all(struct npri_core *core)
{
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        npri_tally(core, NPRI_MAP_AT(at, struct npri_peer, node));
    }
}

void npri_tally_forget(struct npri_core *core, struct npri_peer *peer)
{
    set_bits(core, peer, 0);
}

/* After a step.  A view that is yet to be looked at is yet to be counted. */
void npri_tally_check(const struct npri_core *core)
{
    struct npri_tally tally = {{0}};

    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        const struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        NPRI_ASSERT((peer->tallied & ~OF_VIEWS) == bits_of_peer(core, peer));
        NPRI_ASSERT(core->views.look || (peer->tallied & OF_VIEWS) == bits_of_views(core, peer));
        for (unsigned kind = 0; kind < NPRI_TALLY_KINDS; kind++) {
            tally.counts[kind] += (peer->tallied & BIT(kind)) != 0 ? 1 : 0;
        }
    }
    for (unsigned kind = 0; kind < NPRI_TALLY_KINDS; kind++) {
        NPRI_ASSERT(tally.counts[kind] == core->tally.counts[kind]);
    }
}
