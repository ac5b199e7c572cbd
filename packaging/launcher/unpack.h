/* The members of the payload as files in one folder: written, or compared with what is there. */
#ifndef WALRUS_UNPACK_H
#define WALRUS_UNPACK_H

#include "payload.h"

/* Writes all members into the empty folder. Returns 0 or an errno. */
int unpack_write(int folder, const struct payload *payload);

/* 0 when the folder's files have exactly the payload's bytes; else an errno. */
int unpack_compare(int folder, const struct payload *payload);

/* Whether the bytes were written or compared since the machine was started. */
int unpack_is_of_this_boot(int folder);

/* Notes that they were. Where that can't be noted, they are compared again. */
void unpack_mark_boot(int folder);

#endif
