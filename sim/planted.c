#include "planted.h"

#include <stdio.h>
#include <string.h>

#include "core/faults.h"

#define NAME_BYTES 40

enum npri_fault npri_fault_planted;

#define NAME(name, text) [NPRI_FAULT_##name] = #name,
#define TEXT(name, text) [NPRI_FAULT_##name] = (text),
static const char *const names[NPRI_FAULTS_COUNT] = {NPRI_FAULTS(NAME)};
static const char *const texts[NPRI_FAULTS_COUNT] = {NPRI_FAULTS(TEXT)};

/* As it is typed: no_second_look. */
static const char *lower(const char *name, char *room)
{
    size_t i = 0;

    for (; name[i] != '\0' && i + 1 < NAME_BYTES; i++) {
        room[i] = name[i];
        if (name[i] >= 'A' && name[i] <= 'Z') {
            room[i] = (char)(name[i] - 'A' + 'a');
        }
    }
    room[i] = '\0';
    return room;
}

bool sim_plant(const char *name)
{
    char room[NAME_BYTES];

    for (unsigned i = 1; i < NPRI_FAULTS_COUNT; i++) {
        if (strcmp(lower(names[i], room), name) == 0) {
            npri_fault_planted = (enum npri_fault)i;
            return true;
        }
    }
    return false;
}

void sim_planted_list(void)
{
    char room[NAME_BYTES];

    for (unsigned i = 1; i < NPRI_FAULTS_COUNT; i++) {
        (void)printf("%-22s %s\n", lower(names[i], room), texts[i]);
    }
}
