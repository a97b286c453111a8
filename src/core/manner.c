#include "core/manner.h"

#include "core/state.h"

static const char *otp_name(enum npr_otp otp)
{
    return otp == NPR_OTP_25 ? "25" : "26";
}

const char *npri_manner_source_name(enum npri_manner_source source)
{
    switch (source) {
    case NPRI_MANNER_DEFAULT:
        return "default";
    case NPRI_MANNER_HEARSAY:
        return "hearsay";
    case NPRI_MANNER_ERLANG:
        return "erlang";
    case NPRI_MANNER_FIXED:
        return "fixed";
    }
    return "unknown";
}

static void warn_mixed(struct npri_core *core, struct npri_peer *peer)
{
    struct npri_text text = {0};

    if (peer->manner_warned) {
        return;
    }
    peer->manner_warned = true;
    npri_text_add(&text, "mixed_cluster node=");
    npri_text_add_node(&text, &peer->name);
    npri_text_add(&text, " its_otp=");
    npri_text_add(&text, otp_name(peer->otp));
    npri_text_add(&text, " our_otp=");
    npri_text_add(&text, otp_name(core->manner.otp));
    npri_text_add(&text, " consequence=\"nodes disagree about the owner of every key that contains "
                         "an atom\"");
    npri_core_log(core, NPRI_LOG_WARNING, &text);
}

/* Native peers are told again: one that has no better source follows. */
static void follow(struct npri_core *core,
                   struct npri_peer *from,
                   enum npr_otp otp,
                   enum npri_manner_source source)
{
    const bool changes = core->manner.otp != otp;
    struct npri_text text = {0};

    core->manner.otp = otp;
    core->manner.source = source;
    if (!changes) {
        return;
    }
    npri_views_on_manner(core);
    npri_text_add(&text, "placement_changed otp=");
    npri_text_add(&text, otp_name(otp));
    npri_text_add(&text, " learnt_from=");
    npri_text_add_node(&text, &from->name);
    npri_core_log(core, NPRI_LOG_INFO, &text);
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        if (core->options.member && peer->connected && peer->native && peer != from) {
            npri_chatter_greet(core, peer);
        }
    }
}

/* Some native node that we are connected to follows OTP 25. */
static bool natives_follow_25(const struct npri_core *core)
{
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        const struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        if (peer->native && peer->manner_known && peer->otp == NPR_OTP_25) {
            return true;
        }
    }
    return false;
}

void npri_manner_on_erlang(struct npri_core *core, struct npri_peer *peer, enum npr_otp otp)
{
    peer->otp = otp;
    peer->manner_known = true;
    if (core->manner.source < NPRI_MANNER_ERLANG && core->manner.otp == NPR_OTP_25 &&
        otp != NPR_OTP_25 && natives_follow_25(core)) {
        core->manner.source = NPRI_MANNER_ERLANG;
        warn_mixed(core, peer);
    } else if (core->manner.source < NPRI_MANNER_ERLANG) {
        follow(core, peer, otp, NPRI_MANNER_ERLANG);
    } else if (otp != core->manner.otp) {
        warn_mixed(core, peer);
    }
}

void npri_manner_on_native(struct npri_core *core, struct npri_peer *peer, enum npr_otp otp)
{
    peer->otp = otp;
    peer->manner_known = true;
    if (core->manner.source != NPRI_MANNER_FIXED && core->manner.otp != NPR_OTP_25 &&
        otp == NPR_OTP_25) {
        follow(core, peer, otp,
               core->manner.source == NPRI_MANNER_ERLANG ? NPRI_MANNER_ERLANG
                                                         : NPRI_MANNER_HEARSAY);
    }
}

void npri_manner_on_tick(struct npri_core *core, struct npri_peer *peer)
{
    if (peer->manner_known && peer->otp != core->manner.otp) {
        warn_mixed(core, peer);
    }
}
