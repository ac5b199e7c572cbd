/*
 * The cache folder that the executable unpacks itself into, once.
 *
 *   <place>/walrus            XDG_CACHE_HOME, HOME/.cache
 *   <place>/walrus-<uid>      /var/tmp, /tmp
 *     <version>-<hash>/       one for each content; complete from the moment that it has this name
 *       <member> …            the members of the payload
 *       boot                  the boot id under which the bytes were written or last compared
 *       deno/                 the runtime's own caches
 *     tmp-<pid>-<time>/       being written; left over where a process was killed
 *
 * Only what this user or root has made, and nobody else can write, is used.
 */
#ifndef WALRUS_CACHE_H
#define WALRUS_CACHE_H

#include "payload.h"

#define PATH_BYTES_MAX 4096

/*
 * The path of a folder with all members in it, unpacked now unless it was before. Returns 0, or -1 after
 * saying on stderr which places were tried and why each would not do.
 */
int cache_prepare(const struct payload *payload, char path[PATH_BYTES_MAX]);

#endif
