/* node/functions.h - the functions that peers may call here besides the exported ones, by subject.
 * Each is an npri_builtin's `run`. */
#ifndef NPRI_NODE_FUNCTIONS_H
#define NPRI_NODE_FUNCTIONS_H

#include "node/evaluation.h"

/* The original's table, which is what its lookups read. */
#define NPRI_TABLE_NAME "nprocreg_data"

/* functions_registry.c: nprocreg:*, nprocreg_native:*. */
void npri_function_get_pid(struct npri_evaluation *evaluation, const struct npr_term *args);
void npri_function_get_or_start(struct npri_evaluation *evaluation, const struct npr_term *args);
void npri_function_get_status(struct npri_evaluation *evaluation, const struct npr_term *args);
void npri_function_get_nodes(struct npri_evaluation *evaluation, const struct npr_term *args);
void npri_function_native_get(struct npri_evaluation *evaluation, const struct npr_term *args);
void npri_function_native_start(struct npri_evaluation *evaluation, const struct npr_term *args);
void npri_function_native_place(struct npri_evaluation *evaluation, const struct npr_term *args);
void npri_function_native_status(struct npri_evaluation *evaluation, const struct npr_term *args);
void npri_function_table_lookup(struct npri_evaluation *evaluation, const struct npr_term *args);
void npri_function_native_lookup(struct npri_evaluation *evaluation, const struct npr_term *args);
void npri_function_native_spawn(struct npri_evaluation *evaluation, const struct npr_term *args);
void npri_function_native_spawn_for(struct npri_evaluation *evaluation,
                                    const struct npr_term *args);

/* functions_claims.c: nprocreg:register_pid/2, unregister_key/1, nprocreg_native:register/4,
 * unregister/2. */
void npri_function_register_pid(struct npri_evaluation *evaluation, const struct npr_term *args);
void npri_function_unregister_key(struct npri_evaluation *evaluation, const struct npr_term *args);
void npri_function_native_register(struct npri_evaluation *evaluation, const struct npr_term *args);
void npri_function_native_unregister(struct npri_evaluation *evaluation,
                                     const struct npr_term *args);

/* functions_processes.c: nprocreg:processes/0 (also erlang:processes/0), processes/1, info/1.
 * functions_process_info.c: erlang:process_info/1,2. */
void npri_function_processes(struct npri_evaluation *evaluation, const struct npr_term *args);
void npri_function_processes_by(struct npri_evaluation *evaluation, const struct npr_term *args);
void npri_function_info(struct npri_evaluation *evaluation, const struct npr_term *args);
void npri_function_process_info(struct npri_evaluation *evaluation, const struct npr_term *args);
void npri_function_process_info_of(struct npri_evaluation *evaluation, const struct npr_term *args);
/* functions_drain.c: nprocreg_native:drain/1, drain_status/0, conflicts/0. */
void npri_function_native_drain(struct npri_evaluation *evaluation, const struct npr_term *args);
void npri_function_native_drain_status(struct npri_evaluation *evaluation,
                                       const struct npr_term *args);
void npri_function_native_conflicts(struct npri_evaluation *evaluation,
                                    const struct npr_term *args);
/* functions_keys.c: nprocreg_native:keys/2, count/2. */
void npri_function_native_keys(struct npri_evaluation *evaluation, const struct npr_term *args);
void npri_function_native_count(struct npri_evaluation *evaluation, const struct npr_term *args);

#endif /* NPRI_NODE_FUNCTIONS_H */
