#include "node/exports.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "base/limits.h"
#include "node/commands.h"
#include "node/launch.h"
#include "runtime/runtime.h"

static npr_status check_name(const char *what, const char *name, struct npr_error *err)
{
    if (name == NULL || name[0] == '\0' || strlen(name) > NPRI_ATOM_CHARS_MAX) {
        return npri_fail(err, NPR_EINVAL, "%s name is empty or over %u bytes", what,
                         NPRI_ATOM_CHARS_MAX);
    }
    return NPR_OK;
}

npr_status npri_module_check(const struct npr_module *module, struct npr_error *err)
{
    npr_status status;

    if (module == NULL) {
        return npri_fail(err, NPR_EINVAL, "a module is NULL");
    }
    if (module->abi != NPR_MODULE_ABI) {
        return npri_fail(err, NPR_EINVAL, "a module was built for ABI %u, this library has %u",
                         (unsigned)module->abi, NPR_MODULE_ABI);
    }
    status = check_name("a module's", module->name, err);
    for (size_t i = 0; status == NPR_OK && i < module->functions_count; i++) {
        const struct npr_function *function = &module->functions[i];

        status = check_name("a function's", function->name, err);
        if (status == NPR_OK && npri_behaviour_fault(function->behaviour) != NULL) {
            status = npri_fail(err, NPR_EINVAL, "function %s: %s", function->name,
                               npri_behaviour_fault(function->behaviour));
        }
        if (status != NPR_OK) {
            return npri_fail_prefix(err, status, "module %s: ", module->name);
        }
    }
    return status;
}

/* Of modules that are there, each with a name of its own. */
static npr_status check_modules(const struct npr_module *const *modules,
                                size_t modules_count,
                                struct npr_error *err)
{
    if (modules_count > 0 && modules == NULL) {
        return npri_fail(err, NPR_EINVAL, "modules_count without modules");
    }
    for (size_t i = 0; i < modules_count; i++) {
        npr_status status = npri_module_check(modules[i], err);

        for (size_t j = 0; status == NPR_OK && j < i; j++) {
            if (strcmp(modules[i]->name, modules[j]->name) == 0) {
                status = npri_fail(err, NPR_EINVAL, "two modules are named %s", modules[i]->name);
            }
        }
        if (status != NPR_OK) {
            return status;
        }
    }
    return NPR_OK;
}

/* False: no memory. */
static bool fill_in(struct npri_export *export,
                    const struct npr_module *module,
                    const struct npr_function *function)
{
    struct npr_behaviour complete;

    npri_behaviour_complete(function->behaviour, &complete);
    *export = (struct npri_export){.module = module,
                                   .function = function,
                                   .has_init = complete.init != NULL || complete.run != NULL,
                                   .is_restarted = complete.restart != NPR_RESTART_TEMPORARY};
    (void)snprintf(export->name, sizeof(export->name), "%s:%s/%u", module->name, function->name,
                   (unsigned)function->arity);
    npri_buffer_init(&export->startable, 0);
    /* A name that is no atom stays without: nobody can ask for it. */
    return npri_startable_put(
               &export->startable,
               &(struct npr_start){.module = module->name, .function = function->name},
               NULL) != NPR_ENOMEM;
}

npr_status npri_exports_init(struct npri_exports *exports,
                             const struct npr_module *const *modules,
                             size_t modules_count,
                             struct npr_error *err)
{
    npr_status status = check_modules(modules, modules_count, err);
    size_t count = 0;

    if (status != NPR_OK) {
        return status;
    }
    for (size_t i = 0; i < modules_count; i++) {
        count += modules[i]->functions_count;
    }
    *exports =
        (struct npri_exports){.functions = npri_alloc_zeroed(count, sizeof(struct npri_export))};
    if (exports->functions == NULL) {
        return npri_fail(err, NPR_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < modules_count; i++) {
        for (size_t j = 0; j < modules[i]->functions_count; j++) {
            if (!fill_in(&exports->functions[exports->functions_count++], modules[i],
                         &modules[i]->functions[j])) {
                npri_exports_fini(exports);
                return npri_fail(err, NPR_ENOMEM, "out of memory");
            }
        }
    }
    return NPR_OK;
}

void npri_exports_fini(struct npri_exports *exports)
{
    for (size_t i = 0; i < exports->functions_count; i++) {
        npri_buffer_fini(&exports->functions[i].startable);
    }
    npri_free(exports->functions);
    *exports = (struct npri_exports){0};
}

const struct npri_export *npri_exports_look(const struct npri_exports *exports,
                                            struct npr_bytes module,
                                            struct npr_bytes name,
                                            uint32_t arity)
{
    for (size_t i = 0; i < exports->functions_count; i++) {
        const struct npri_export *at = &exports->functions[i];

        if (at->function->arity == arity &&
            npri_bytes_equal(npr_bytes_of(at->function->name), name) &&
            npri_bytes_equal(npr_bytes_of(at->module->name), module)) {
            return at;
        }
    }
    return NULL;
}

const struct npr_function *npri_exports_find(const struct npri_exports *exports,
                                             struct npr_bytes module,
                                             struct npr_bytes name,
                                             uint32_t arity)
{
    const struct npri_export *export = npri_exports_look(exports, module, name, arity);

    return export != NULL ? export->function
                          : npri_commands_find(exports->commands, module, name, arity);
}
