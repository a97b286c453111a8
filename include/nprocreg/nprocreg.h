/* nprocreg/nprocreg.h - everything. */
#ifndef NPROCREG_NPROCREG_H
#define NPROCREG_NPROCREG_H

#include "nprocreg/command.h"
#include "nprocreg/conflicts.h"
#include "nprocreg/drain.h"
#include "nprocreg/error.h"
#include "nprocreg/format.h"
#include "nprocreg/inspect.h"
#include "nprocreg/json.h"
#include "nprocreg/keys.h"
#include "nprocreg/module.h"
#include "nprocreg/names.h"
#include "nprocreg/node.h"
#include "nprocreg/process.h"
#include "nprocreg/registry.h"
#include "nprocreg/term.h"
#include "nprocreg/thread.h"
#include "nprocreg/types.h"
#include "nprocreg/version.h"
#include "nprocreg/watch.h"

#endif /* NPROCREG_NPROCREG_H */
