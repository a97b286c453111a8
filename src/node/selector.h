/* node/selector.h - the public API's selectors as the core has them. */
#ifndef NPRI_NODE_SELECTOR_H
#define NPRI_NODE_SELECTOR_H

#include "nprocreg/keys.h"

#include "core/select.h"

/* NPR_OK and one that npri_select_destroy() ends, or NPR_EINVAL, NPR_EFULL, NPR_ENOMEM. */
NPR_NODISCARD npr_status npri_selector_create(const struct npr_selector *selector,
                                              struct npri_select **out,
                                              struct npr_error *err);

#endif /* NPRI_NODE_SELECTOR_H */
